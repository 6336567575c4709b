"""Django's LOGGING: one line per entry on stderr, errors to Sentry where there is a DSN."""

import sys
from collections.abc import Sequence
from typing import Any


def logging_config(*, level: str, apps: Sequence[str], sentry_dsn: str) -> dict[str, Any]:
    """Return the configuration; `level` is that of our own apps."""
    # Without a DSN there is no handler, and the SDK is not even imported.
    sentry = (
        {"sentry": {"class": "voiceops.observability.sentry.SentryHandler", "dsn": sentry_dsn}}
        if sentry_dsn
        else {}
    )
    formatter = "PlainFormatter" if sys.stderr.isatty() else "JsonFormatter"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": f"voiceops.observability.structured_logging.{formatter}"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}, **sentry},
        "root": {
            "handlers": ["console", *sentry],
            "level": "INFO" if level == "DEBUG" else level,
        },
        "loggers": {
            **{app: {"level": level} for app in apps},
            "django": {"level": "NOTSET"},
            "django.db.backends": {"level": "INFO"},
            "django.request": {"level": "ERROR"},  # voiceops.requests logs refusals
            "django.server": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
        },
    }
