from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "webhooks"

    def ready(self) -> None:
        """Answer what the apps below ask of webhooks."""
        from accounts.checks import GLOBAL_MODELS

        GLOBAL_MODELS.register(
            {"webhooks.WebhookCursor": "how far one reader of all workspaces has come"}
        )
