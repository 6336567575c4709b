"""How gunicorn serves VoiceOps, on a laptop and in the image.

gunicorn -c python:ops.gunicorn_conf voiceops.wsgi
"""

import os
from typing import Any

from django.urls import get_resolver

from voiceops.api.first_request import answer_first_request
from voiceops.core.process_tuning import (
    WEB_MAX_ARENAS,
    WEB_YOUNG_OBJECTS,
    disable_query_log,
    keep_memory_small,
    limit_arenas,
    switch_threads_often,
    tune_gc,
)
from voiceops.core.statement_timeouts import WEB_STATEMENT_SECONDS, set_statement_timeouts
from voiceops.core.task_queue import prepare_to_send, send_from_a_thread

workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "ops.serving.web_worker.WebWorker"
threads = 16  # long requests and passwords, each at their most, leave some for the rest
# One import for all workers, so that a killed worker is replaced at once.
preload_app = True
timeout = 60
graceful_timeout = 2
# Longer than our clients keep an idle connection: otherwise their next POST could be sent into a
# connection that is being closed.
keepalive = 75
# The socket would be in the home directory, shared by all servers of this user.
control_socket_disable = True
logconfig_dict = {
    "version": 1,
    "root": {"level": "INFO", "handlers": ["error_console"]},
    "formatters": {"generic": {"()": "voiceops.observability.structured_logging.JsonFormatter"}},
    "handlers": {"error_console": {"class": "logging.StreamHandler", "formatter": "generic"}},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["error_console"], "propagate": False},
        # Requests are logged by `voiceops.requests`.
        "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
    },
}


def when_ready(server: Any) -> None:
    """Prepare the process before the first worker is forked from it."""
    # The views and all that they import, which the first request of each worker would load again.
    get_resolver().resolve("/healthz")
    answer_first_request(server.app.wsgi())
    prepare_to_send()
    set_statement_timeouts(WEB_STATEMENT_SECONDS)
    disable_query_log()
    tune_gc(WEB_YOUNG_OBJECTS)
    limit_arenas(WEB_MAX_ARENAS)
    switch_threads_often()


def post_worker_init(worker: Any) -> None:
    """Start what every worker has for itself, since threads do not survive a fork."""
    keep_memory_small()
    send_from_a_thread()
