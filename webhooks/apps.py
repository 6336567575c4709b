from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "webhooks"

    def ready(self) -> None:
        """Answer what the apps below ask of webhooks."""
        from accounts.checks import GLOBAL_MODELS
        from voiceops.api.error_codes import ERROR_CATALOGS
        from webhooks.openapi.errors import WEBHOOK_ERRORS

        ERROR_CATALOGS.register(WEBHOOK_ERRORS)
        GLOBAL_MODELS.register(
            {"webhooks.WebhookCursor": "how far one reader of all workspaces has come"}
        )
