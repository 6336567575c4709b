"""Settings that cannot work together, told before anything starts (style.md 3.5). Each has an id and the mend."""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Doubt
from django.core.exceptions import ImproperlyConfigured

from voiceops import crypto

STORAGES = ("local", "s3")
BROKERS = ("filesystem", "redis", "rediss", "amqp", "amqps")
LONGEST_PORT = 65_535


def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    return [*_addresses(), *_recordings(), *_numbers(), *_keys()]


def _addresses() -> Iterator[CheckMessage]:
    for name in ("PUBLIC_URL", "LIVEKIT_URL"):
        url = urlsplit(getattr(settings, name))
        if url.scheme not in ("http", "https", "ws", "wss") or not url.hostname:
            yield Error(f"{name} is no address: {url.geturl()!r}.", hint="As https://host.example.com.", id="ops.E001")
    scheme = settings.CELERY_BROKER_URL.partition(":")[0]
    if scheme not in BROKERS:
        yield Error(
            f"CELERY_BROKER_URL names no broker we know: {scheme}.",
            hint="redis://host:6379/0, amqp://user:password@host:5672//, or unset.",
            id="ops.E002",
        )


def _recordings() -> Iterator[CheckMessage]:
    if settings.RECORDINGS_STORAGE not in STORAGES:
        yield Error(f"RECORDINGS_STORAGE is {settings.RECORDINGS_STORAGE!r}.", hint="local or s3.", id="ops.E003")
    if settings.RECORDINGS_STORAGE == "s3" and not settings.S3_BUCKET:
        yield Error("RECORDINGS_STORAGE=s3 needs a bucket.", hint="Set S3_BUCKET.", id="ops.E004")
    if bool(settings.S3_ACCESS_KEY_ID) != bool(settings.S3_SECRET_ACCESS_KEY):
        hint = "Set S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY, or neither."
        yield Error("Half of the S3 credentials is missing.", hint=hint, id="ops.E005")
    if bool(settings.TWILIO_ACCOUNT_SID) != bool(settings.TWILIO_AUTH_TOKEN):
        hint = "Set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, or neither."
        yield Doubt("Half of the Twilio credentials is missing.", hint=hint, id="ops.W006")


def _numbers() -> Iterator[CheckMessage]:
    for name in ("PORT", "SANDBOX_PORT"):
        if not 0 < getattr(settings, name) <= LONGEST_PORT:
            yield Error(f"{name} is no port.", hint=f"From 1 to {LONGEST_PORT}.", id="ops.E007")
    for name in ("SWEEP_SECONDS", "DIAL_FENCE_SECONDS", "MAX_UPLOAD_BYTES", "MAX_UPLOAD_ROWS"):
        if getattr(settings, name) <= 0:
            yield Error(f"{name} must be more than 0.", hint="See .env.example.", id="ops.E008")


def _keys() -> Iterator[CheckMessage]:
    try:
        crypto.encrypt("", "")
    except ImproperlyConfigured as error:
        yield Error(str(error), hint="`python ops/new_secrets.py` prints one that fits.", id="ops.E009")
