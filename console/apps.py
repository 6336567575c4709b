from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "console"

    def ready(self) -> None:
        """Answer what the apps below ask of the console."""
        from batches.admin.answer_times import HEAT_MAPS
        from batches.admin.batch_panel import BATCH_PICTURES
        from batches.admin.pace_times import PACE_CHARTS
        from console.charts import batch_pictures, heat_map, pace_chart

        BATCH_PICTURES.register(batch_pictures)
        HEAT_MAPS.register(heat_map)
        PACE_CHARTS.register(pace_chart)
