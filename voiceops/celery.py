"""The Celery application. Brokers: files in DATA_DIR (default, no server), Redis or RabbitMQ by
URL.
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
def be_patient(**_: Any) -> None:
    set_statement_timeouts(WORKER_STATEMENT_SECONDS)
