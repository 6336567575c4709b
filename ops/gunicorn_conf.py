"""How gunicorn serves VoiceOps, on a laptop and in the image: `gunicorn -c python:ops.gunicorn_conf
voiceops.wsgi`.
"""

import os
from typing import Any

from voiceops.core.process_tuning import disable_query_log, tune_gc
from voiceops.core.statement_timeouts import WEB_STATEMENT_SECONDS, set_statement_timeouts

workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "ops.serving.web_worker.WebWorker"  # threads
threads = 8
preload_app = True  # one import for all workers, and a killed worker is replaced at once
timeout = 60
graceful_timeout = 2
# Longer than any client of ours keeps an idle connection, or its next POST meets a closed socket.
keepalive = 75
control_socket_disable = (
    True  # it would stand in the home directory, shared by every server of this user
)
logconfig_dict = {
    "version": 1,
    "root": {"level": "INFO", "handlers": ["error_console"]},
    "formatters": {"generic": {"()": "voiceops.observability.structured_logging.JsonFormatter"}},
    "handlers": {"error_console": {"class": "logging.StreamHandler", "formatter": "generic"}},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["error_console"], "propagate": False},
        "gunicorn.access": {
            "level": "CRITICAL",
            "handlers": [],
            "propagate": False,
        },  # voiceops.requests writes those
    },
}


def when_ready(server: Any) -> None:
    """Before the first worker is forked: all of them share what is loaded now."""
    set_statement_timeouts(WEB_STATEMENT_SECONDS)
    disable_query_log()
    tune_gc()
