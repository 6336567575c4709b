"""System checks: settings that cannot work are reported before anything starts.

Each message has an id, and a hint that says how to fix it.
"""

from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.http.request import validate_host

from voiceops.core import crypto

RECORDINGS_STORAGES = ("local", "s3")
BROKER_SCHEMES = ("filesystem", "redis", "rediss", "amqp", "amqps")
URL_SCHEMES = ("http", "https", "ws", "wss")
MAX_PORT = 65_535
CLOSABLE_PAGES = ("admin", "docs", "redoc", "openapi.json", "llms.txt", "metrics")
REQUIRED_URLS = ("PUBLIC_URL", "LIVEKIT_URL")
OPTIONAL_URLS = ("TWILIO_BASE_URL", "S3_ENDPOINT_URL", "S3_PUBLIC_ENDPOINT_URL")
PORTS = ("PORT", "SANDBOX_PORT")
POSITIVE_NUMBERS = ("SWEEP_SECONDS", "DIAL_FENCE_SECONDS", "MAX_UPLOAD_BYTES", "MAX_UPLOAD_ROWS")


def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Django's entry point: all messages about our settings."""
    return [
        *_check_urls(),
        *_check_broker(),
        *_check_proxies_and_pages(),
        *_check_hosts(),
        *_check_recordings(),
        *_check_twilio(),
        *_check_numbers(),
        *_check_encryption_keys(),
    ]


def _check_urls() -> Iterator[CheckMessage]:
    for name in (*REQUIRED_URLS, *OPTIONAL_URLS):
        url = getattr(settings, name)
        is_optional = name in OPTIONAL_URLS
        if is_optional and not url:
            continue
        if not _is_url(url, URL_SCHEMES):
            hint = "For example https://host.example.com."
            yield Error(f"{name} is not a URL: {url!r}.", hint=hint, id="ops.E001")


def _check_broker() -> Iterator[CheckMessage]:
    """Never quotes the URL, which may contain a password."""
    scheme = settings.CELERY_BROKER_URL.partition(":")[0]
    hint = "redis://host:6379/0, amqp://user:password@host:5672//, or unset."
    if scheme not in BROKER_SCHEMES:
        message = f"CELERY_BROKER_URL names an unsupported broker: {scheme}."
        yield Error(message, hint=hint, id="ops.E002")
    elif scheme != "filesystem" and not _is_url(settings.CELERY_BROKER_URL, BROKER_SCHEMES):
        yield Error("CELERY_BROKER_URL is not a URL.", hint=hint, id="ops.E002")


def _is_url(url: str, schemes: Sequence[str]) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an unclosed bracket, or a port that is not a number
        return False


def _check_proxies_and_pages() -> Iterator[CheckMessage]:
    for text in settings.TRUSTED_PROXIES:
        try:
            ip_network(text, strict=False)
        except ValueError:
            message = f"TRUSTED_PROXIES holds {text!r}, which is not a network."
            hint = "For example 10.0.0.0/8 or 192.0.2.7; host names are not resolved."
            yield Error(message, hint=hint, id="ops.E010")
    if unknown := [page for page in settings.CLOSED_PAGES if page not in CLOSABLE_PAGES]:
        message = f"CLOSED_PAGES holds unknown pages: {', '.join(unknown)}."
        yield Error(message, hint=f"Choose from {', '.join(CLOSABLE_PAGES)}.", id="ops.E011")


def _check_hosts() -> Iterator[CheckMessage]:
    if wrong := [host for host in settings.ALLOWED_HOSTS if "/" in host]:
        message = f"ALLOWED_HOSTS holds {wrong[0]!r}, which is not a host name."
        hint = "Host names only, for example voiceops.example.com."
        yield Error(message, hint=hint, id="ops.E012")
    elif not _is_allowed_host(settings.PUBLIC_URL):
        message = "ALLOWED_HOSTS does not hold the host of PUBLIC_URL."
        hint = "Add it, or LiveKit's events and the agents' reports are refused."
        yield CheckWarning(message, hint=hint, id="ops.W013")


def _is_allowed_host(url: str) -> bool:
    """True as well for what is not a URL, because _check_urls reports that."""
    name = _host_of(url)
    host = f"[{name}]" if ":" in name else name
    return not host or validate_host(host, settings.ALLOWED_HOSTS)


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _check_recordings() -> Iterator[CheckMessage]:
    storage = settings.RECORDINGS_STORAGE
    if storage not in RECORDINGS_STORAGES:
        yield Error(f"RECORDINGS_STORAGE is {storage!r}.", hint="local or s3.", id="ops.E003")
    if storage == "s3" and not settings.S3_BUCKET:
        message = "RECORDINGS_STORAGE=s3 needs a bucket."
        yield Error(message, hint="Set S3_BUCKET.", id="ops.E004")
    if bool(settings.S3_ACCESS_KEY_ID) != bool(settings.S3_SECRET_ACCESS_KEY):
        hint = "Set both S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY, or neither."
        yield Error("Half of the S3 credentials is missing.", hint=hint, id="ops.E005")


def _check_twilio() -> Iterator[CheckMessage]:
    if bool(settings.TWILIO_ACCOUNT_SID) != bool(settings.TWILIO_AUTH_TOKEN):
        hint = "Set both TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, or neither."
        yield CheckWarning("Half of the Twilio credentials is missing.", hint=hint, id="ops.W006")


def _check_numbers() -> Iterator[CheckMessage]:
    for name in PORTS:
        if not 0 < getattr(settings, name) <= MAX_PORT:
            hint = f"From 1 to {MAX_PORT}."
            yield Error(f"{name} is not a port number.", hint=hint, id="ops.E007")
    for name in POSITIVE_NUMBERS:
        if getattr(settings, name) <= 0:
            yield Error(f"{name} must be more than 0.", hint="See .env.example.", id="ops.E008")


def _check_encryption_keys() -> Iterator[CheckMessage]:
    try:
        crypto.encrypt("", "")
    except ImproperlyConfigured as error:
        hint = "`python ops/new_secrets.py` prints a valid one."
        yield Error(str(error), hint=hint, id="ops.E009")
