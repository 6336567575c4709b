"""Modules that are imported when something of them is first used."""

from importlib import import_module
from typing import Any


class LazyModule:
    """Stands for a large module that most processes never need. Types come from the module:

    if TYPE_CHECKING:
        from livekit import api
    else:
        api = LazyModule("livekit.api")
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        # Python's own lock makes the first of several threads import it, and the others wait.
        return getattr(import_module(self._name), attribute)
