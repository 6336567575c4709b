"""Checks that both servers give the same answers and write the same rows."""

import http.client
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.core.management import CommandError

from accounts.models import AuditEntry
from ops.bench.api_requests import SERIAL, ApiRequest, Scenario
from ops.bench.api_servers import OURS, PEER, SIDES, Server
from telephony.models import Call, CallEvent

COMPARED_REQUESTS = 3  # of each scenario, first, middle and last
WRITTEN_TABLES = (Call, CallEvent, AuditEntry)
HTTP_TIMEOUT_SECONDS = 30
ABSENT = "(absent)"


def compare_bodies(
    servers: Mapping[str, Server],
    scenario: Scenario,
    requests: Sequence[ApiRequest],
    token: str,
) -> None:
    """Raises CommandError where the two answer differently, or write other rows."""
    picked = dict.fromkeys((requests[0], requests[len(requests) // 2], requests[-1]))
    for request in [*picked][:COMPARED_REQUESTS]:
        answers, written = {}, {}
        for number, side in enumerate(SIDES):
            before = _count_rows()
            answers[side] = _send(servers[side], request, token, serial=number)
            written[side] = [now - was for was, now in zip(before, _count_rows(), strict=True)]
        if written[OURS] != written[PEER]:
            raise CommandError(f"{scenario.name}: rows written differ, {written}")
        _require_equal(scenario, answers)
        if request.method != "GET":
            _compare_reading(servers, scenario, answers, token)


def _compare_reading(
    servers: Mapping[str, Server], scenario: Scenario, answers: dict[str, Any], token: str
) -> None:
    """What either has written reads the same from both. Raises CommandError."""
    collection = scenario.route.split("/")[1]
    for answer in answers.values():
        reading = ApiRequest("GET", f"/{collection}/{answer['id']}", "")
        read = {side: _send(servers[side], reading, token) for side in SIDES}
        _require_equal(Scenario(f"{scenario.name}, read again", reading.path), read)


def _require_equal(scenario: Scenario, answers: Mapping[str, Any]) -> None:
    """Raises CommandError with the fields that differ."""
    ours, peers = ({**answers[side]} for side in SIDES)
    for name in scenario.differs:
        if (name in ours) != (name in peers):
            raise CommandError(f"{scenario.name}: only one answer has {name}")
        ours.pop(name, None)
        peers.pop(name, None)
    if ours != peers:
        found = [*_differences(ours, peers)][:5]
        raise CommandError(f"{scenario.name}: the answers differ (ours, peer): {found}")


def _differences(ours: Any, peers: Any, path: str = "") -> list[str]:
    """Where two JSON values differ."""
    if isinstance(ours, dict) and isinstance(peers, dict):
        names = sorted(ours.keys() | peers.keys())
        pairs = [
            (f"{path}.{name}", ours.get(name, ABSENT), peers.get(name, ABSENT)) for name in names
        ]
    elif isinstance(ours, list) and isinstance(peers, list) and len(ours) == len(peers):
        pairs = [(f"{path}[{n}]", *pair) for n, pair in enumerate(zip(ours, peers, strict=True))]
    else:
        return [] if ours == peers else [f"{path}: {ours!r}, {peers!r}"]
    return [difference for name, a, b in pairs for difference in _differences(a, b, name)]


def _send(server: Server, request: ApiRequest, token: str, *, serial: int = 0) -> Any:
    """The parsed answer. Raises CommandError when it is not 2xx."""
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "X-Forwarded-Proto": "https",
    }
    body = request.body.replace(SERIAL, str(serial)) or None
    connection = http.client.HTTPConnection(
        urlsplit(server.url).netloc, timeout=HTTP_TIMEOUT_SECONDS
    )
    try:
        connection.request(request.method, request.path, body, headers)
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    if response.status // 100 != 2:
        raise CommandError(f"{server.url}{request.path} answered {response.status}: {text[:300]!r}")
    return json.loads(text)


def _count_rows() -> list[int]:
    return [model.unscoped.count() for model in WRITTEN_TABLES]
