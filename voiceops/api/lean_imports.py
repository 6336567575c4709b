"""Imports REST framework and Django's test client, which it imports, without what they try to
import for whoever tests with it or reads pages of it.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

# By which modules, and for what: REST framework for `RequestsClient` and its browsable pages,
# Django for tests of templates.
UNNEEDED_MODULES = ("requests", "pygments", "jinja2")
IMPORTING_MODULES = ("rest_framework.compat", "django.test.utils")


def import_lean() -> None:
    """Import those modules without the six megabytes that no request needs.

    Whoever needs these afterwards imports them as ever. Call this before `django.setup`.
    """
    with absent(UNNEEDED_MODULES):
        for name in IMPORTING_MODULES:
            import_module(name)


@contextmanager
def absent(names: Sequence[str]) -> Iterator[None]:
    """In the block, importing one of these raises ImportError, unless it was imported before."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None hides a module
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
