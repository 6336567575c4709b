from django.apps import AppConfig
from django.core import checks


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts.api import security_scheme  # noqa: F401, PLC0415 - registers itself with the OpenAPI generator
        from accounts.checks import check_owners  # noqa: PLC0415 - models are ready only now

        checks.register(check_owners, checks.Tags.models)
