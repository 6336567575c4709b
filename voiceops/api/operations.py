"""What the OpenAPI document says of operations and types in words, registered by each app.

An operation has a summary, a description for those who call it, and the codes of the errors that
are its own. Examples belong to types: each request and answer of a type gets its example.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from voiceops.core.extension_points import ExtensionPoint


class Operation(NamedTuple):
    """The words about an operation. `errors` are codes, separated by spaces.

    `request` and `answer` are examples that stand in for those of the types.
    """

    summary: str
    description: str
    errors: str = ""
    request: Any = None
    answer: Any = None


# By the operation's id, the type's name and the tag's name.
OPERATIONS: ExtensionPoint[Mapping[str, Operation]] = ExtensionPoint("operations of OpenAPI")
EXAMPLES: ExtensionPoint[Mapping[str, Any]] = ExtensionPoint("examples of OpenAPI")
TAGS: ExtensionPoint[Mapping[str, str]] = ExtensionPoint("tags of OpenAPI")


def registered(point: ExtensionPoint[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what all apps have registered."""
    return {name: value for table in point.all() for name, value in table.items()}
