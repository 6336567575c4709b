"""The Celery application. Brokers: files in DATA_DIR (default, no server), Redis or RabbitMQ by URL."""

import os

from celery import Celery

from voiceops import broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "voiceops.settings")

broker.use()
app = Celery("voiceops")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
