from django.apps import AppConfig
from django.core import checks


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts.api import security_scheme  # noqa: F401 - registers itself with OpenAPI
        from accounts.checks import ACCOUNTS_GLOBAL_MODELS, GLOBAL_MODELS, check_owners
        from accounts.openapi.errors import ACCOUNT_ERRORS
        from accounts.openapi.examples import ACCOUNT_EXAMPLES
        from accounts.openapi.fields import ACCOUNT_FIELD_TEXTS, ACCOUNT_SAME_FIELDS
        from accounts.openapi.operations import ACCOUNT_OPERATIONS, ACCOUNT_TAGS
        from voiceops.api import field_texts, operations
        from voiceops.api.error_codes import ERROR_CATALOGS
        from voiceops.api.general_errors import GENERAL_ERRORS

        ERROR_CATALOGS.register(GENERAL_ERRORS)
        ERROR_CATALOGS.register(ACCOUNT_ERRORS)
        operations.OPERATIONS.register(ACCOUNT_OPERATIONS)
        field_texts.FIELD_TEXTS.register(ACCOUNT_FIELD_TEXTS)
        field_texts.SAME_FIELDS.register(ACCOUNT_SAME_FIELDS)
        operations.EXAMPLES.register(ACCOUNT_EXAMPLES)
        operations.TAGS.register(ACCOUNT_TAGS)
        GLOBAL_MODELS.register(ACCOUNTS_GLOBAL_MODELS)
        checks.register(check_owners, checks.Tags.models)
