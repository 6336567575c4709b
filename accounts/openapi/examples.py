"""Examples of the types of accounts."""

from typing import Any

from voiceops.api.example_ids import OTHER_ID, USER_ID, WORKSPACE_ID

CREATED_AT = "2027-03-01T08:00:00Z"
USER = {
    "id": USER_ID,
    "email": "ada@example.com",
    "name": "Ada",
    "default_workspace_id": WORKSPACE_ID,
}
WINDOW = {"days": [1, 2, 3, 4, 5], "start": "09:00", "end": "18:00", "timezone": "recipient"}
WORKSPACE_SETTINGS = {
    "name": "Clinic",
    "calling_window": WINDOW,
    "max_concurrent_calls": 50,
    "max_calls_per_day": None,
    "min_gap_minutes": 240,
    "max_cost_per_day": 100,
    "max_attempts_per_day": 3,
    "max_attempts_per_week": None,
    "max_attempts_per_30_days": None,
    "rest_days_after_answer": None,
    "rest_days_after_refusal": None,
    "recording_retention_days": 90,
    "transcript_retention_days": 365,
    "holidays_country": "US",
    "timezone": "America/New_York",
    "unknown_zone": "all",
    "calling_profile": None,
    "publish_requires": ["smoke"],
}
WORKSPACE = {
    "id": WORKSPACE_ID,
    "role": "admin",
    **WORKSPACE_SETTINGS,
    "created_at": CREATED_AT,
}
KEY = {
    "id": OTHER_ID,
    "name": "Nightly upload",
    "role": "manager",
    "prefix": "vo_3fQ9",
    "allowed_addresses": ["203.0.113.0/24"],
    "created_at": CREATED_AT,
    "last_used_at": None,
    "expires_at": None,
}
EXAMPLE_PASSWORD = "correct horse battery staple"  # noqa: S105 - an example
EXPORTED_ENTRY_EXAMPLE = {
    "id": OTHER_ID,
    "at": CREATED_AT,
    "actor_type": "user",
    "actor_id": USER_ID,
    "actor_name": "Ada",
    "action": "agent.published",
    "object_type": "agent",
    "object_id": "01930f2c-0000-7000-8000-000000000003",
    "ip": "203.0.113.7",
    "changes": {"version": 3},
}
ACCOUNT_EXAMPLES: dict[str, Any] = {
    "AcceptInvitationRequest": {
        "token": "q3JxM2…",
        "password": EXAMPLE_PASSWORD,
        "name": "Ben",
    },
    "ApiKey": KEY,
    "NewApiKey": {**KEY, "key": "vo_3fQ9…"},
    "AuditEntry": {
        "id": OTHER_ID,
        "actor": {"type": "user", "id": USER_ID, "name": "Ada"},
        "action": "agent.published",
        "object_type": "agent",
        "object_id": "01930f2c-0000-7000-8000-000000000003",
        "at": CREATED_AT,
        "ip": "203.0.113.7",
        "changes": {"version": 3},
    },
    "CallingProfile": {
        "name": "us",
        "title": "United States",
        "notice": "A summary, no legal advice.",
        "calling_window": {
            "timezone": "recipient",
            "spans": [{"days": [1, 2, 3, 4, 5, 6, 7], "start": "08:00", "end": "21:00"}],
            "holidays": None,
            "closed_dates": [],
        },
        "max_attempts_per_day": 3,
        "max_attempts_per_week": 7,
        "max_attempts_per_30_days": None,
        "rest_days_after_answer": 7,
        "rest_days_after_refusal": None,
        "rules": [
            {
                "text": "Calls only between 8 a.m. and 9 p.m. by the callee's clock",
                "source": "47 CFR 64.1200(c)(1)",
                "url": "https://www.ecfr.gov/current/title-47/section-64.1200",
                "sets": ["calling_window"],
            }
        ],
    },
    "Invitation": {
        "id": OTHER_ID,
        "email": "ben@example.com",
        "role": "manager",
        "created_at": CREATED_AT,
        "expires_at": "2027-03-08T08:00:00Z",
    },
    "LoginRequest": {"email": "ada@example.com", "password": EXAMPLE_PASSWORD},
    "Me": {
        **USER,
        "workspaces": [{"id": WORKSPACE_ID, "name": "Clinic", "role": "admin"}],
    },
    "Member": {
        "id": OTHER_ID,
        "user_id": USER_ID,
        "email": "ada@example.com",
        "name": "Ada",
        "role": "admin",
        "created_at": CREATED_AT,
    },
    "PasswordChangeRequest": {
        "current_password": EXAMPLE_PASSWORD,
        "password": "a new long password",
    },
    "PasswordResetConfirmRequest": {"token": "q3JxM2…", "password": "a new long password"},
    "PasswordResetRequest": {"email": "ada@example.com"},
    "PatchedMeRequest": {"name": "Ada L."},
    "PatchedMemberRequest": {"role": "manager"},
    "PatchedWorkspaceRequest": {"timezone": "America/New_York", "min_gap_minutes": 240},
    "RefreshRequest": {"refresh_token": "rt_8Kd1…"},
    "RegisterRequest": {
        "email": "ada@example.com",
        "password": EXAMPLE_PASSWORD,
        "name": "Ada",
        "workspace_name": "Clinic",
    },
    "Tokens": {
        "user": USER,
        "workspace": WORKSPACE,
        "access_token": "eyJhbGciOiJIUzI1NiIs…",
        "refresh_token": "rt_8Kd1…",
        "token_type": "bearer",
        "expires_in": 900,
    },
    "Workspace": WORKSPACE,
    "WorkspaceRequest": {"name": "Clinic", "timezone": "America/New_York"},
}
