"""Examples of bodies in OpenAPI."""

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer

AnySerializer = TypeVar("AnySerializer", bound=type)


def request_example(body: dict[str, Any]) -> Callable[[AnySerializer], AnySerializer]:
    """Decorate a serializer with a request that a client may send."""

    def decorate(serializer: AnySerializer) -> AnySerializer:
        example = OpenApiExample("Request", value=body, request_only=True)
        decorated: AnySerializer = extend_schema_serializer(examples=[example])(serializer)
        return decorated

    return decorate
