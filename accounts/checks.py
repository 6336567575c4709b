from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error

from accounts.tenancy import WorkspaceOwned
from voiceops.core.extension_points import ExtensionPoint

# Tables that belong to no workspace, by label, each with the reason. Every app lists its own.
GLOBAL_MODELS: ExtensionPoint[Mapping[str, str]] = ExtensionPoint("models without a workspace")
ACCOUNTS_GLOBAL_MODELS = {
    "accounts.Workspace": "the owner itself",
    "accounts.User": "a user may belong to several workspaces",
    "accounts.Session": "a user's login",
    "accounts.PasswordReset": "belongs to a user",
    "accounts.SecondFactor": "belongs to a user",
    "accounts.RecoveryCode": "belongs to a user",
    "accounts.StaffTry": "is written before anyone is logged in",
    "accounts.AuditEntry": "logins concern no workspace, and entries outlive theirs",
    "accounts.IdempotentRequest": "its scope names the principal",
}


def check_owners(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that every table of this project belongs to a workspace or is registered as global."""
    own_apps = [app for app in apps.get_app_configs() if _is_own(app)]
    own_models = [model for app in own_apps for model in app.get_models()]
    global_models = {label for listed in GLOBAL_MODELS.all() for label in listed}
    hint = (
        "Inherit accounts.tenancy.WorkspaceOwned with a `workspace`, or register it in "
        "accounts.checks.GLOBAL_MODELS with the reason."
    )
    return [
        Error(
            f"{model._meta.label} belongs to no workspace.",
            hint=hint,
            obj=model,
            id="accounts.E001",
        )
        for model in own_models
        if model._meta.label not in global_models and not _is_owned(model)
    ]


def _is_own(app: AppConfig) -> bool:
    return Path(app.path).parent == settings.BASE_DIR


def _is_owned(model: Any) -> bool:
    return issubclass(model, WorkspaceOwned) and not model._meta.get_field("workspace").null
