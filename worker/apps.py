from django.apps import AppConfig


class WorkerConfig(AppConfig):
    """What runs by itself: the dispatcher, the sweep, webhook delivery and retention. No tables."""

    name = "worker"
