from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "console"

    def ready(self) -> None:
        """Answer what the apps below ask of the console."""
        from batches.admin.batch_panel import BATCH_PICTURES
        from console.charts import batch_pictures

        BATCH_PICTURES.register(batch_pictures)
