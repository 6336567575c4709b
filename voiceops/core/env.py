"""Reading the environment: a value that cannot be used is refused by the name of its variable."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

DATABASE_SCHEMES = ("postgres", "postgresql", "psql", "pgsql", "sqlite")
FALSE_WORDS = ("false", "off", "n", "no", "0")
LOG_LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")
MIN_SECRET_LENGTH = 32  # characters


class Env(environ.Env):  # type: ignore[misc]  # the library is not typed
    """Raises ImproperlyConfigured, where the library would show how reading the value failed. Says
    it without it.

    A variable that is set to nothing is unset, as a line of `.env` without a value means.
    """

    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        if not self.ENVIRON.get(var, "") and "default" in kwargs:
            return kwargs["default"]
        try:
            return super().get_value(var, *args, **kwargs)
        except ValueError as error:
            kind = getattr(kwargs.get("cast"), "__name__", "value")
            wanted = {"int": "a whole number", "float": "a number"}.get(kind, "readable")
            raise ImproperlyConfigured(f"{var} is not {wanted}. See .env.example.") from error

    def bool(self, var: str, default: bool) -> bool:
        """The library takes every word it does not know for no: a slip of the pen would open what
        was to be closed.
        """
        word = str(self.ENVIRON.get(var, "")).strip().lower()
        if word and word not in (*self.BOOLEAN_TRUE_STRINGS, *FALSE_WORDS):
            raise ImproperlyConfigured(f"{var} is neither 1 nor 0. See .env.example.")
        return word in self.BOOLEAN_TRUE_STRINGS if word else default

    def db_url(self, var: str, default: str) -> dict[str, Any]:
        refusal = ImproperlyConfigured(
            f"{var} names no database of PostgreSQL or SQLite. See .env.example."
        )
        if str(self.str(var, default=default)).partition(":")[0] not in DATABASE_SCHEMES:
            raise refusal
        found = self._read_url(super().db_url, var, default)
        if not found["NAME"]:
            raise refusal
        return found

    def email_url(self, var: str, default: str) -> dict[str, Any]:
        return self._read_url(super().email_url, var, default)

    def level(self, var: str, default: str) -> str:
        level = str(self.str(var, default=default)).strip().upper()
        if level not in LOG_LEVELS:
            raise ImproperlyConfigured(f"{var} is none of {', '.join(LOG_LEVELS)}.")
        return level

    def validated(self, var: str, parse: Callable[[str], object]) -> str:
        """The text, "" when unset, once `parse` has taken it; its ValueError says what it wants."""
        text = str(self.str(var, default=""))
        try:
            if text:
                parse(text)
        except ValueError as error:
            raise ImproperlyConfigured(f"{var} cannot be used: {error}.") from error
        return text

    @staticmethod
    def _read_url(read: Callable[..., dict[str, Any]], var: str, default: str) -> dict[str, Any]:
        try:
            return read(var, default=default)
        except (ValueError, KeyError, ImproperlyConfigured) as error:
            raise ImproperlyConfigured(f"{var} is not readable. See .env.example.") from error


def require_strong_secrets(secrets: Mapping[str, str], examples: Mapping[str, str]) -> None:
    """Of a server's secrets each must be set, its own, and long enough. Raises
    ImproperlyConfigured, naming them.
    """
    keys = [key.strip() for key in secrets["FIELD_ENCRYPTION_KEYS"].split(",")]
    newest = {
        **secrets,
        "FIELD_ENCRYPTION_KEYS": next(filter(None, keys), ""),
    }  # the one that encrypts
    if bad := [name for name, value in newest.items() if value in ("", examples[name])]:
        raise ImproperlyConfigured(
            "With DEBUG=0 these must be set to secrets of your own (unset or still the example): "
            f"{', '.join(bad)}. See .env.example."
        )
    if same := [
        f"{one} and {other}"
        for one, other in combinations(newest, 2)
        if newest[one] == newest[other]
    ]:
        raise ImproperlyConfigured(
            f"With DEBUG=0 every secret must be another, but {same[0]} are the same."
        )
    ours = ("SECRET_KEY", "JWT_API_SECRET")
    if short := [name for name in ours if len(secrets[name]) < MIN_SECRET_LENGTH]:
        raise ImproperlyConfigured(
            f"With DEBUG=0 a secret has at least {MIN_SECRET_LENGTH} characters: {', '.join(short)}. "
            "`python ops/new_secrets.py` prints some."
        )


def require_strong_fallback_secrets(name: str, values: Sequence[str], example: str) -> None:
    """What is still believed must be as strong as what is used. Raises ImproperlyConfigured."""
    if any(value == example or len(value) < MIN_SECRET_LENGTH for value in values):
        raise ImproperlyConfigured(
            f"With DEBUG=0 {name} holds secrets of at least {MIN_SECRET_LENGTH} characters, and not the example."
        )


def ensure_dir(path: Path) -> Path:
    """The folder, with those above it. Raises ImproperlyConfigured."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"{error.filename} cannot be made ({error.strerror}). Set DATA_DIR."
        ) from error
    return path
