"""The benchmark of the API is not run by CI; its pieces fit together all the same."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import pytest
from django.urls import resolve
from rest_framework.serializers import BaseSerializer

from accounts.models import Session, User
from agents.models import Agent
from agents.serializers.agents import AgentSerializer
from batches.models import Batch
from batches.serializers.batches import BatchSerializer
from batches.serializers.recipients import RecipientSerializer
from batches.serializers.suppressions import SuppressionSerializer
from ops.bench.api_bodies import ABSENT, _differences
from ops.bench.api_comparison import Comparison, Ratio, missed_goals
from ops.bench.api_load import Load
from ops.bench.api_requests import GOALS, SCENARIOS, Scenario, requests_of
from ops.bench.api_rows import ApiRows
from ops.bench.resource_usage import cpu_seconds_of_tree, shared_megabytes_of_tree
from telephony.serializers.calls import CallSerializer, EventSerializer, TurnSerializer
from tests.architecture.source import ROOT
from webhooks.serializers import WebhookSerializer

PEER = ROOT / "benchmarks/peer_fastapi"
SERIALIZER_OF_BODY: dict[str, type[BaseSerializer[Any]]] = {
    "CallBody": CallSerializer,
    "EventBody": EventSerializer,
    "TurnBody": TurnSerializer,
    "BatchBody": BatchSerializer,
    "RecipientBody": RecipientSerializer,
    "AgentBody": AgentSerializer,
    "SuppressionBody": SuppressionSerializer,
    "WebhookBody": WebhookSerializer,
}
MEMORY_OF_EQUALS = MappingProxyType({"ours": 100.0, "peer": 100.0})


def peer_files() -> list[Path]:
    return sorted(PEER.glob("*.py"))


def peer_routes() -> Iterator[tuple[str, str]]:
    """Method and path of every route that the peer's decorators declare."""
    for file in peer_files():
        tree = ast.parse(file.read_text())
        prefixes = [
            str(node.value.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.keyword)
            and node.arg == "prefix"
            and isinstance(node.value, ast.Constant)
        ]
        for node in ast.walk(tree):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="app" | "router"), attr=method),
                    args=[ast.Constant(value=str(path))],
                ):
                    yield method.upper(), re.sub(r"{\w+}", "{}", "".join([*prefixes, path]))


def body_fields(name: str) -> list[str]:
    """The fields of one of the peer's bodies, as they are named in JSON."""
    tree = ast.parse((PEER / "bodies.py").read_text())
    [body] = [each for each in tree.body if isinstance(each, ast.ClassDef) and each.name == name]
    return [json_name(field) for field in body.body if isinstance(field, ast.AnnAssign)]


def json_name(field: ast.AnnAssign) -> str:
    keywords = field.value.keywords if isinstance(field.value, ast.Call) else []
    aliases = [
        str(keyword.value.value)
        for keyword in keywords
        if keyword.arg == "serialization_alias" and isinstance(keyword.value, ast.Constant)
    ]
    assert isinstance(field.target, ast.Name)
    return aliases[0] if aliases else field.target.id


def loads(requests_per_second: float) -> list[Load]:
    return [Load(requests_per_second, p50=1, p99=2, app_cpu=1, database_cpu=1)]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_scenario_names_a_route_of_ours(scenario: Scenario) -> None:
    match = resolve(re.sub(r"{\w+}", str(uuid4()), scenario.route))

    assert scenario.method.lower() in match.func.actions  # type: ignore[attr-defined]


def test_the_peer_has_exactly_the_routes_of_the_scenarios() -> None:
    wanted = {(each.method, re.sub(r"{\w+}", "{}", each.route)) for each in SCENARIOS}

    posted_to = {("POST", "/livekit/webhook"), ("POST", "/calls/{}/report")}
    assert set(peer_routes()) == wanted | posted_to | {("GET", "/healthz")}


def test_every_goal_names_a_scenario() -> None:
    assert GOALS.keys() <= {scenario.name for scenario in SCENARIOS}


@pytest.mark.parametrize("body", SERIALIZER_OF_BODY)
def test_the_peers_bodies_have_the_fields_of_ours(body: str) -> None:
    """Add a new field of the API to the peer as well: else it does less work than we do."""
    serializer = SERIALIZER_OF_BODY[body]()
    readable = [name for name, field in serializer.fields.items() if not field.write_only]  # type: ignore[attr-defined]

    assert sorted(body_fields(body)) == sorted(readable)


def test_the_peer_imports_nothing_of_ours() -> None:
    imported = {
        name.partition(".")[0]
        for file in peer_files()
        for node in ast.walk(ast.parse(file.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    ours = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert imported.isdisjoint(ours - {"benchmarks"})
    assert "fastapi" in imported


def test_every_package_of_the_peer_is_locked_with_hashes() -> None:
    named = {
        re.split(r"[\[\s]", line)[0]
        for line in (PEER / "requirements.in").read_text().splitlines()
        if line and not line.startswith("#")
    }
    entries = re.split(r"\n(?=[a-z])", (PEER / "requirements.txt").read_text())[1:]
    locked = {entry.partition("==")[0].partition("[")[0] for entry in entries}

    assert named <= locked
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_requests_name_rows_and_leave_no_placeholder() -> None:
    rows = ApiRows(
        user=User(),
        session=Session(),
        agent=Agent(),
        long_batch=Batch(),
        small_batches=[uuid4(), uuid4()],
        calls=[uuid4(), uuid4(), uuid4()],
        rows=100_000,
    )

    requests = {each.name: requests_of(each, rows) for each in SCENARIOS}

    assert [each.path for each in requests["call"]] == [f"/calls/{call}" for call in rows.calls]
    assert [each.path for each in requests["calls_deep"]] == ["/calls?page=500"]
    assert len(requests["batch_patch"]) == 2
    paths = [each.path for of_scenario in requests.values() for each in of_scenario]
    assert [path for path in paths if "{" in path] == []
    assert str(rows.agent.pk) in requests["call_post"][0].body


def test_the_ratio_is_that_of_rounds_that_followed_one_another() -> None:
    assert Ratio.of([100, 300, 90], [50, 100, 100]) == Ratio(2.0, 0.9, 3.0)


def test_a_goal_is_missed_when_the_median_ratio_is_below_it() -> None:
    slow = Comparison("call", {"ours": loads(100), "peer": loads(100)})
    fast = Comparison("calls_page_1", {"ours": loads(500), "peer": loads(100)})
    without_goal = Comparison("agents", {"ours": loads(1), "peer": loads(100)})

    missed = missed_goals([slow, fast, without_goal], MEMORY_OF_EQUALS)

    assert missed == ["call 1.00 of 1.5"]
    assert missed_goals([fast], {"ours": 150, "peer": 100}) == ["memory 1.50 of 1.0"]


def test_differences_name_the_place() -> None:
    ours = {"items": [{"id": 1, "name": "a"}], "total": 1}
    peers = {"items": [{"id": 1}], "total": 2}

    assert _differences(ours, peers) == [
        f".items[0].name: 'a', {ABSENT!r}",
        ".total: 1, 2",
    ]


def test_a_tree_of_processes_has_used_time_and_memory() -> None:
    own = int(Path("/proc/self").resolve().name)

    assert cpu_seconds_of_tree(own) > 0
    assert shared_megabytes_of_tree(own) > 1
