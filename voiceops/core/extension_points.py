"""What an app must ask of the apps above it, which it may not import.

The lower app declares a typed point beside the code that needs it. The higher app registers its
answer in `AppConfig.ready`, so that knowledge, like imports, only goes down:

    SUPPRESSION_CHECKS: ExtensionPoint[SuppressionCheck] = ExtensionPoint("suppression checks")
    SUPPRESSION_CHECKS.register(is_suppressed)
"""

from typing import Generic, TypeVar

T = TypeVar("T")


class MissingExtensionError(RuntimeError):
    """No app has registered anything at a point. A bug, never an answer to a caller."""


class ExtensionPoint(Generic[T]):
    """An ordered registry that must not be empty when it is read.

    An empty point raises instead of answering "none": a check that no app has registered would
    otherwise let through whatever it should have stopped.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._extensions: list[T] = []

    def register(self, extension: T) -> None:
        """Add an extension. Registering the same one again changes nothing."""
        if extension not in self._extensions:
            self._extensions.append(extension)

    def all(self) -> tuple[T, ...]:
        """Return the extensions in the order they were registered.

        Raises MissingExtensionError when there is none.
        """
        if not self._extensions:
            raise MissingExtensionError(
                f"Nothing is registered as {self.name}; an installed app must do so in "
                "AppConfig.ready"
            )
        return tuple(self._extensions)

    def get(self) -> T:
        """Return the only extension. Raises MissingExtensionError unless there is exactly one."""
        extensions = self.all()
        if len(extensions) > 1:
            raise MissingExtensionError(f"{len(extensions)} are registered as {self.name}, not one")
        return extensions[0]
