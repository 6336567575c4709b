from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error

from accounts.tenancy import WorkspaceOwned

OURS = ("accounts", "agents", "telephony", "batches", "webhooks", "ops")
# Tables that belong to no workspace, and why.
GLOBAL_MODELS = {
    "accounts.Workspace": "the owner itself",
    "accounts.User": "a person may sit in several workspaces",
    "accounts.Session": "a person's login",
    "accounts.PasswordReset": "a person's",
    "accounts.SecondFactor": "a person's",
    "accounts.RecoveryCode": "a person's",
    "accounts.StaffTry": "made before anybody is logged in",
    "accounts.AuditEntry": "logins concern no workspace, and entries outlive theirs",
    "accounts.IdempotentRequest": "its scope names the caller",
    "telephony.InboxEvent": "arrives from LiveKit before anybody knows whose call it is",
    "webhooks.WebhookCursor": "how far one reader of all workspaces has come",
}


def check_owners(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Every table of ours belongs to a workspace, or is listed above."""
    ours = (
        model
        for config in apps.get_app_configs()
        if config.name in OURS
        for model in config.get_models()
    )
    hint = "Inherit accounts.tenancy.WorkspaceOwned with a `workspace`, or name it in accounts.checks.GLOBAL_MODELS."
    return [
        Error(
            f"{model._meta.label} belongs to no workspace.",
            hint=hint,
            obj=model,
            id="accounts.E001",
        )
        for model in ours
        if model._meta.label not in GLOBAL_MODELS and not _is_owned(model)
    ]


def _is_owned(model: Any) -> bool:
    return issubclass(model, WorkspaceOwned) and not model._meta.get_field("workspace").null
