"""Settings that cannot work together, told before anything starts (style.md 3.5). Each has an id
and the mend.
"""

from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Doubt
from django.core.exceptions import ImproperlyConfigured
from django.http.request import validate_host

from voiceops.core import crypto

STORAGES = ("local", "s3")
BROKERS = ("filesystem", "redis", "rediss", "amqp", "amqps")
LONGEST_PORT = 65_535
PAGES = ("admin", "docs", "redoc", "openapi.json", "metrics")
NEEDED = ("PUBLIC_URL", "LIVEKIT_URL")
OPTIONAL = ("TWILIO_BASE_URL", "S3_ENDPOINT_URL", "S3_PUBLIC_ENDPOINT_URL")


def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    return [*_addresses(), *_broker(), *_web(), *_recordings(), *_numbers(), *_keys()]


def _addresses() -> Iterator[CheckMessage]:
    named = {name: getattr(settings, name) for name in (*NEEDED, *OPTIONAL)}
    for name, url in named.items():
        if (url or name in NEEDED) and not _is_address(url, "http", "https", "ws", "wss"):
            yield Error(
                f"{name} is no address: {url!r}.",
                hint="As https://host.example.com.",
                id="ops.E001",
            )


def _broker() -> Iterator[CheckMessage]:
    """Without quoting the URL, which may hold a password."""
    scheme = settings.CELERY_BROKER_URL.partition(":")[0]
    hint = "redis://host:6379/0, amqp://user:password@host:5672//, or unset."
    if scheme not in BROKERS:
        yield Error(
            f"CELERY_BROKER_URL names no broker we know: {scheme}.", hint=hint, id="ops.E002"
        )
    elif scheme != "filesystem" and not _is_address(settings.CELERY_BROKER_URL, *BROKERS):
        yield Error("CELERY_BROKER_URL is no address.", hint=hint, id="ops.E002")


def _is_address(url: str, *schemes: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is no number
        return False


def _web() -> Iterator[CheckMessage]:
    for text in settings.TRUSTED_PROXIES:
        try:
            ip_network(text, strict=False)
        except ValueError:
            hint = "As 10.0.0.0/8 or 192.0.2.7; names are not looked up."
            yield Error(f"TRUSTED_PROXIES holds no network: {text!r}.", hint=hint, id="ops.E010")
    if unknown := [page for page in settings.CLOSED_PAGES if page not in PAGES]:
        yield Error(
            f"CLOSED_PAGES: no such page {', '.join(unknown)}.",
            hint=f"{', '.join(PAGES)}.",
            id="ops.E011",
        )
    if wrong := [host for host in settings.ALLOWED_HOSTS if "/" in host]:
        hint = "Host names alone, as voiceops.example.com."
        yield Error(f"ALLOWED_HOSTS holds no host name: {wrong[0]!r}.", hint=hint, id="ops.E012")
    elif not _is_allowed(settings.PUBLIC_URL):
        hint = (
            "Add it: LiveKit's events and the agents' reports are sent to that name, and refused."
        )
        yield Doubt("ALLOWED_HOSTS does not hold the host of PUBLIC_URL.", hint=hint, id="ops.W013")


def _is_allowed(url: str) -> bool:
    """An address that is none is told elsewhere."""
    host = f"[{name}]" if ":" in (name := _host_of(url)) else name
    return not host or validate_host(host, settings.ALLOWED_HOSTS)


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _recordings() -> Iterator[CheckMessage]:
    if settings.RECORDINGS_STORAGE not in STORAGES:
        yield Error(
            f"RECORDINGS_STORAGE is {settings.RECORDINGS_STORAGE!r}.",
            hint="local or s3.",
            id="ops.E003",
        )
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
        yield Error(
            str(error), hint="`python ops/new_secrets.py` prints one that fits.", id="ops.E009"
        )
