"""Logging in, workspaces, members, keys and the audit log, in words."""

from accounts.openapi.examples import EXPORTED_ENTRY_EXAMPLE
from voiceops.api.operations import Operation
from voiceops.core.csv_encoding import csv_text

TOKENS = "The two tokens are in the body, and in httpOnly cookies for browsers."
ACCOUNT_TAGS = {
    "auth": "Registration, login, tokens, passwords and invitations.",
    "workspaces": "Workspaces, their settings, members and invitations.",
    "api-keys": "Keys for programs. A key belongs to one workspace and has a role.",
    "audit-log": "Who did what to which object, when and from where.",
    "calling-profiles": "Limits of countries for when and how often people may be called.",
}
ACCOUNT_OPERATIONS = {
    "auth_register": Operation(
        "Register",
        "Creates a user and a workspace of which the user is admin. " + TOKENS,
        "email_registered",
    ),
    "auth_login": Operation(
        "Log in",
        "Checks an e-mail address and a password. " + TOKENS,
        "invalid_email_or_password second_factor_required too_many_wrong_codes",
    ),
    "auth_refresh": Operation(
        "Refresh the tokens",
        "Exchanges a refresh token, of the body or of the cookie, for a new pair. The old one is "
        "spent: used again within ten seconds it answers the same pair, later it ends the session.",
        "invalid_token token_expired user_not_found",
    ),
    "auth_logout": Operation(
        "Log out",
        "Ends the session of the token that was sent and clears the cookies. Logging out twice is "
        "no error.",
        answer={"detail": "Logged out"},
    ),
    "auth_me_get": Operation(
        "Who am I",
        "The user whose token was sent, with the workspaces and the role in each; of an API key "
        "its name and its workspace.",
    ),
    "auth_me_update": Operation(
        "Change my name or default workspace",
        "The default workspace is the one that requests without `X-Workspace-ID` are about.",
        "workspace_not_found",
    ),
    "auth_password_change": Operation(
        "Change my password",
        "Needs the current password. Every other session ends.",
        "invalid_current_password",
        answer={"detail": "Password changed"},
    ),
    "auth_password_reset": Operation(
        "Ask for a password reset",
        "E-mails a link, if the address is known. The answer never says whether it is.",
        answer={"detail": "If the address is known, an e-mail is on its way"},
    ),
    "auth_password_reset_confirm": Operation(
        "Set a new password",
        "Takes the token of the e-mail. Every session ends.",
        "password_reset_not_found",
        answer={"detail": "Password changed"},
    ),
    "auth_invitations_accept": Operation(
        "Accept an invitation",
        "Takes the token of the e-mail. A new user gives a password and may give a name. " + TOKENS,
        "invitation_not_found",
    ),
    "workspaces_list": Operation(
        "List my workspaces", "The workspaces that the caller is a member of, newest first."
    ),
    "workspaces_create": Operation(
        "Create a workspace", "The caller becomes its admin. It has no agents and no numbers yet."
    ),
    "workspaces_get": Operation(
        "Get a workspace", "With its settings: limits, calling window, time zone, retention."
    ),
    "workspaces_update": Operation(
        "Change a workspace",
        "Changed limits and windows also apply to batches that run, at most two seconds later.",
    ),
    "workspaces_delete": Operation(
        "Delete a workspace",
        "Deletes everything in it. Its phone numbers have to be deleted first.",
        "workspace_not_empty",
    ),
    "workspaces_members_list": Operation(
        "List members", "The members of a workspace with their roles."
    ),
    "workspaces_members_update": Operation(
        "Change a member's role",
        "The path has the id of the user. The last admin keeps the role.",
        "last_admin",
    ),
    "workspaces_members_delete": Operation(
        "Remove a member",
        "Their sessions in this workspace and the keys that they made end at once.",
        "last_admin",
    ),
    "workspaces_invitations_list": Operation(
        "List invitations", "Those that are neither accepted nor expired."
    ),
    "workspaces_invitations_create": Operation(
        "Invite somebody",
        "Sends an e-mail with a link that is valid for seven days.",
        "already_a_member already_invited",
    ),
    "workspaces_invitations_delete": Operation(
        "Withdraw an invitation", "Its link no longer works."
    ),
    "api_keys_list": Operation(
        "List API keys", "Without the keys themselves: only their beginning, role and last use."
    ),
    "api_keys_create": Operation(
        "Create an API key",
        "`key` is in this answer only. A key can make only keys that can do no more than itself.",
        "api_key_scope_exceeded",
    ),
    "api_keys_delete": Operation("Revoke an API key", "It is refused from the next request on."),
    "audit_log_list": Operation(
        "List the audit log",
        "Newest first. `object` is an id or a type; a period is `from` and `to`, or `after` and "
        "`before`.",
    ),
    "audit_log_export_csv": Operation(
        "Export the audit log",
        "The entries that the list's filters find, newest first, streamed as CSV with a byte order "
        "mark. The actor has three columns.",
        answer=csv_text([*EXPORTED_ENTRY_EXAMPLE], [*EXPORTED_ENTRY_EXAMPLE.values()]),
    ),
    "calling_profiles_list": Operation(
        "List calling profiles",
        "Presets for countries, each rule with its source. A workspace chooses one with "
        "`calling_profile`. No legal advice.",
    ),
}
