"""The worker: what runs by itself. It has no tables."""

from django.apps import AppConfig


class WorkerConfig(AppConfig):
    name = "worker"

    def ready(self) -> None:
        """Make our Celery application the current one in every process, also where nothing else
        imports it: web processes and commands send messages, too.
        """
        from voiceops import celery  # noqa: F401
