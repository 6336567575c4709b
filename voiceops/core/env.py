"""Reading settings from the environment. Invalid values are refused with the variable's name."""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

DATABASE_SCHEMES = ("postgres", "postgresql", "psql", "pgsql", "sqlite")
FALSE_WORDS = ("false", "off", "n", "no", "0")
LOG_LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")
# django-environ's casts, in the words of the message.
KINDS_OF_VALUE = {"int": "a whole number", "float": "a number"}
MIN_SECRET_LENGTH = 32  # characters
# Requests, then a number of seconds, minutes, hours or days: `600/min`, `5/15min`.
THROTTLE_RATE_PATTERN = re.compile(r"(?P<requests>[1-9]\d*)/(?P<count>\d*)(?P<unit>[smhd])[a-z]*")
SECONDS_PER_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Env(environ.Env):  # type: ignore[misc]  # the library is not typed
    """Raises ImproperlyConfigured with one line, where the library shows how parsing failed.

    Empty values count as unset, as in `NAME=` in `.env`.
    """

    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        """Return a variable's value. Raises ImproperlyConfigured."""
        if not self.ENVIRON.get(var, "") and "default" in kwargs:
            return kwargs["default"]
        try:
            return super().get_value(var, *args, **kwargs)
        except ValueError as error:
            cast = getattr(kwargs.get("cast"), "__name__", "value")
            kind = KINDS_OF_VALUE.get(cast, "readable")
            raise ImproperlyConfigured(f"{var} is not {kind}. See .env.example.") from error

    def bool(self, var: str, default: bool) -> bool:
        """Return whether a variable is true. Raises ImproperlyConfigured for an unknown word.

        The library reads unknown words as false, so that a typo could open what should be closed.
        """
        word = str(self.ENVIRON.get(var, "")).strip().lower()
        if not word:
            return default
        if word not in (*self.BOOLEAN_TRUE_STRINGS, *FALSE_WORDS):
            raise ImproperlyConfigured(f"{var} is neither 1 nor 0. See .env.example.")
        return word in self.BOOLEAN_TRUE_STRINGS

    def db_url(self, var: str, default: str) -> dict[str, Any]:
        """Return Django's settings of a database. Raises ImproperlyConfigured."""
        refusal = ImproperlyConfigured(
            f"{var} is not the address of a PostgreSQL or SQLite database. See .env.example."
        )
        scheme = str(self.str(var, default=default)).partition(":")[0]
        if scheme not in DATABASE_SCHEMES:
            raise refusal
        database = self._read_url(super().db_url, var, default)
        if not database["NAME"]:
            raise refusal
        return database

    def email_url(self, var: str, default: str) -> dict[str, Any]:
        """Return Django's settings for sending e-mails. Raises ImproperlyConfigured."""
        return self._read_url(super().email_url, var, default)

    def level(self, var: str, default: str) -> str:
        """Return a log level. Raises ImproperlyConfigured."""
        level = str(self.str(var, default=default)).strip().upper()
        if level not in LOG_LEVELS:
            raise ImproperlyConfigured(f"{var} is none of {', '.join(LOG_LEVELS)}.")
        return level

    def rates(self, var: str, scopes: Sequence[str]) -> dict[str, str]:
        """Return throttle rates by scope, such as `caller=600/min,account=5/15min`.

        Raises ImproperlyConfigured for another scope or a malformed rate.
        """
        rates: dict[str, str] = self.dict(var, default={})
        invalid = [
            scope
            for scope, rate in rates.items()
            if scope not in scopes or not THROTTLE_RATE_PATTERN.fullmatch(rate)
        ]
        if invalid:
            raise ImproperlyConfigured(
                f"{var}: {', '.join(invalid)} cannot be used. Write for example "
                f"caller=600/min,account=5/15min, with any of {', '.join(scopes)}."
            )
        return rates

    def validated(self, var: str, validate: Callable[[str], object]) -> str:
        """Return a text that `validate` accepts, or "" when the variable is unset.

        Raises ImproperlyConfigured with the message of the ValueError that `validate` raises.
        """
        text = str(self.str(var, default=""))
        try:
            if text:
                validate(text)
        except ValueError as error:
            raise ImproperlyConfigured(f"{var} cannot be used: {error}.") from error
        return text

    @staticmethod
    def _read_url(read: Callable[..., dict[str, Any]], var: str, default: str) -> dict[str, Any]:
        try:
            return read(var, default=default)
        except (ValueError, KeyError, ImproperlyConfigured) as error:
            raise ImproperlyConfigured(f"{var} is not readable. See .env.example.") from error


def parse_throttle_rate(rate: str) -> tuple[int, int] | None:
    """Return (requests, seconds) of a rate such as `5/15min`; None when it is none."""
    match = THROTTLE_RATE_PATTERN.fullmatch(rate)
    if match is None:
        return None
    seconds = int(match["count"] or 1) * SECONDS_PER_UNIT[match["unit"]]
    return int(match["requests"]), seconds


def require_strong_secrets(secrets: Mapping[str, str], examples: Mapping[str, str]) -> None:
    """Check that each secret is set, differs from its example and the others, and is long enough.

    Raises ImproperlyConfigured with the names of those that are not.
    """
    keys = [key.strip() for key in secrets["FIELD_ENCRYPTION_KEYS"].split(",")]
    newest_key = next(filter(None, keys), "")  # the one that encrypts
    values = {**secrets, "FIELD_ENCRYPTION_KEYS": newest_key}

    missing = [name for name, value in values.items() if value in ("", examples[name])]
    if missing:
        raise ImproperlyConfigured(
            "With DEBUG=0 these must be set to secrets of your own (unset or still the example): "
            f"{', '.join(missing)}. See .env.example."
        )
    # With one secret for two purposes, a leak of one opens the other.
    for name, other in combinations(values, 2):
        if values[name] == values[other]:
            raise ImproperlyConfigured(
                f"With DEBUG=0 all secrets must differ, but {name} and {other} are the same."
            )
    own_secrets = ("SECRET_KEY", "JWT_API_SECRET")
    short = [name for name in own_secrets if len(secrets[name]) < MIN_SECRET_LENGTH]
    if short:
        raise ImproperlyConfigured(
            f"With DEBUG=0 secrets must have at least {MIN_SECRET_LENGTH} characters: "
            f"{', '.join(short)}. `python ops/new_secrets.py` prints new ones."
        )


def require_strong_fallback_secrets(name: str, values: Sequence[str], example: str) -> None:
    """Check that replaced secrets, which are still accepted, are as strong as current ones.

    Raises ImproperlyConfigured.
    """
    if any(value == example or len(value) < MIN_SECRET_LENGTH for value in values):
        raise ImproperlyConfigured(
            f"With DEBUG=0 {name} must hold secrets of at least {MIN_SECRET_LENGTH} characters, "
            "and not the example."
        )


def validate_sentry_dsn(dsn: str) -> None:
    """Raises ValueError unless the text is a DSN. The SDK's own check is slow to import."""
    parts = urlsplit(dsn)
    project = parts.path.rpartition("/")[2]
    is_complete = parts.username and parts.hostname and project
    if parts.scheme not in ("http", "https") or not is_complete:
        raise ValueError("it must read https://key@host/project")


def ensure_dir(path: Path) -> Path:
    """Create the directory with its parents and return it. Raises ImproperlyConfigured."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"{error.filename} cannot be created ({error.strerror}). Set DATA_DIR."
        ) from error
    return path
