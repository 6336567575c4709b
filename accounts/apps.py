from django.apps import AppConfig
from django.core import checks


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts.api import security_scheme  # noqa: F401 - registers itself with OpenAPI
        from accounts.checks import ACCOUNTS_GLOBAL_MODELS, GLOBAL_MODELS, check_owners

        GLOBAL_MODELS.register(ACCOUNTS_GLOBAL_MODELS)
        checks.register(check_owners, checks.Tags.models)
