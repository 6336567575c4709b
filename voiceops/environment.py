"""Reading the environment: a value that cannot be used is refused by the name of its variable."""

from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured


class Env(environ.Env):  # type: ignore[misc]  # the library is not typed
    """Raises ImproperlyConfigured, where the library would show how reading the value failed. Says it without it.

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


def made_folder(path: Path) -> Path:
    """The folder, with those above it. Raises ImproperlyConfigured."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"{error.filename} cannot be made ({error.strerror}). Set DATA_DIR.") from error
    return path
