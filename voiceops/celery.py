"""The Celery application.

The broker is a directory of files in DATA_DIR by default, which needs no server, or Redis or
RabbitMQ by URL.
"""

import os
from typing import Any

from celery import Celery
from celery.signals import celeryd_init

from voiceops.core import file_broker
from voiceops.core.statement_timeouts import WORKER_STATEMENT_SECONDS, set_statement_timeouts

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "voiceops.settings")

file_broker.register_transport()
app = Celery("voiceops")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@celeryd_init.connect
def limit_statements(**_: Any) -> None:
    """Apply the statement timeouts of workers before a worker opens its first connection."""
    set_statement_timeouts(WORKER_STATEMENT_SECONDS)
