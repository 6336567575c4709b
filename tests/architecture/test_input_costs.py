"""What a request costs grows with its body and no faster, whatever its shape.

Every POST, PUT and PATCH gets bodies of several shapes, each at one size and at four times that
size. Costs are compared as a ratio, because absolute times differ from machine to machine.
"""

import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from django.conf import settings
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from accounts.models import Workspace
from accounts.roles import Role
from telephony.domain import report_tokens
from tests import make
from tests.architecture.routes import Route, routes
from tests.architecture.test_routes import MAKERS, PARAMETERS

SIZE = 500
MEASUREMENTS = 4
GROWTH = 4
# A cost that grows with the square would be sixteen times as high.
MAX_RATIO = 2 * GROWTH
# Below these, the cost of any request hides that of its body.
FLOOR_SECONDS = 0.05
FLOOR_BYTES = 3_000_000
MAX_ANSWER_BYTES = 60_000


class Cost(NamedTuple):
    seconds: float
    peak_bytes: int
    answer_bytes: int
    body: Any


def wide(names: list[str], size: int) -> Any:
    return {f"name {at}": at for at in range(size)}


def deep(names: list[str], size: int) -> Any:
    return {name: nested(min(size // 100, 200)) for name in names}


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


def repeated(names: list[str], size: int) -> Any:
    return {name: [{"name": "same", "type": "same"}] * size for name in names}


def long_names(names: list[str], size: int) -> Any:
    return {f"{at:03}" + "n" * size: 1 for at in range(90)}


def many_mistakes(names: list[str], size: int) -> Any:
    return {name: ["no such thing", {}, None, 1e25] * (size // 4) for name in names}


def wide_objects(names: list[str], size: int) -> Any:
    return {name: {f"name {at}": None for at in range(size)} for name in names}


def equal_names(names: list[str], size: int) -> Any:
    return {name: [f"+1202555{at % 10_000:04}" for at in range(size)] for name in names}


SHAPES: list[Callable[[list[str], int], Any]] = [
    wide,
    deep,
    repeated,
    long_names,
    many_mistakes,
    wide_objects,
    equal_names,
]


def writing_routes() -> Iterator[Any]:
    for route in routes():
        for method in ("post", "put", "patch"):
            if method in route.methods or (
                method == "post"
                and route.path
                in ("/livekit/webhook", "/voice-workers/report", "/calls/{pk}/report")
            ):
                yield pytest.param(route, method, id=f"{method.upper()} {route.path}")


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    generator: Any = SchemaGenerator  # not typed
    return dict(generator().get_schema(public=True))


def field_names(schema: dict[str, Any], path: str, method: str) -> list[str]:
    """The fields of a route's JSON body, from the OpenAPI description."""
    operations = schema["paths"].get(path.replace("{pk}", "{id}")) or schema["paths"].get(path, {})
    content = operations.get(method, {}).get("requestBody", {}).get("content", {})
    found = content.get("application/json", {}).get("schema", {})
    if "$ref" in found:
        found = schema["components"]["schemas"][found["$ref"].rpartition("/")[2]]
    return [*found.get("properties", {})] or ["events"]


def sender(route: Route, method: str, ours: Workspace) -> Callable[[bytes], Any]:
    client = make.bearer(make.member(ours, Role.ADMIN))
    subject: Any = None
    if route.path == "/calls/{pk}/report":
        subject = make.call(ours)
        token = report_tokens.mint(subject.pk)
        client = APIClient(headers={"Authorization": f"Bearer {token}"})
    elif route.parameters:
        view: Any = route.view
        subject = MAKERS[str(view.model._meta.model_name)](ours)
    values = {name: PARAMETERS[name](ours, subject) for name in route.parameters}
    url = route.path.format(**values)
    client.raise_request_exception = False
    return lambda body: client.generic(
        method.upper(), url, body.decode(), content_type="application/json"
    )


def measure(send: Callable[[bytes], Any], body: bytes) -> Cost:
    tracemalloc.start()
    started_at = time.process_time()
    try:
        response = send(body)
        seconds = time.process_time() - started_at
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert response.status_code < 500, response.content[:200]
    return Cost(seconds, peak_bytes, len(response.content), response.json())


@pytest.mark.parametrize(("route", "method"), list(writing_routes()))
def test_a_request_costs_what_its_body_weighs(
    route: Route, method: str, ours: Workspace, schema: dict[str, Any]
) -> None:
    send = sender(route, method, ours)
    names = field_names(schema, route.path, method)
    send(b"{}")

    for shape in SHAPES:
        small, large = (json.dumps(shape(names, size)).encode() for size in (SIZE, SIZE * GROWTH))
        few, many = measure(send, small), measure(send, large)

        assert many.peak_bytes <= MAX_RATIO * max(few.peak_bytes, FLOOR_BYTES), shape.__name__
        assert many.answer_bytes <= MAX_ANSWER_BYTES, shape.__name__
        if isinstance(many.body.get("detail"), list):
            assert len(many.body["detail"]) <= settings.MAX_LISTED_ERRORS
        # A busy machine slows single measurements down, but not all of them.
        seconds = many.seconds
        for _ in range(MEASUREMENTS - 1):
            if seconds > MAX_RATIO * FLOOR_SECONDS:
                seconds = min(seconds, measure(send, large).seconds)
        assert seconds <= MAX_RATIO * max(few.seconds, FLOOR_SECONDS), shape.__name__
