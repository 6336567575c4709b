from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "webhooks"

    def ready(self) -> None:
        """Answer what the apps below ask of webhooks."""
        from accounts.checks import GLOBAL_MODELS
        from voiceops.api import field_texts, operations
        from voiceops.api.error_codes import ERROR_CATALOGS
        from webhooks.openapi.errors import WEBHOOK_ERRORS
        from webhooks.openapi.fields import WEBHOOK_FIELD_TEXTS, WEBHOOK_SAME_FIELDS
        from webhooks.openapi.operations import WEBHOOK_EXAMPLES, WEBHOOK_OPERATIONS, WEBHOOK_TAGS

        ERROR_CATALOGS.register(WEBHOOK_ERRORS)
        operations.OPERATIONS.register(WEBHOOK_OPERATIONS)
        field_texts.FIELD_TEXTS.register(WEBHOOK_FIELD_TEXTS)
        field_texts.SAME_FIELDS.register(WEBHOOK_SAME_FIELDS)
        operations.EXAMPLES.register(WEBHOOK_EXAMPLES)
        operations.TAGS.register(WEBHOOK_TAGS)
        GLOBAL_MODELS.register(
            {"webhooks.WebhookCursor": "how far one reader of all workspaces has come"}
        )
