"""The worker: what runs by itself. It has no tables."""

from django.apps import AppConfig


class WorkerConfig(AppConfig):
    name = "worker"
