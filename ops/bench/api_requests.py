"""What the API benchmark asks for, and how much faster than the peer the answers have to be."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from ops.bench.api_rows import ApiRows

ROWS_PER_PAGE = 50
REQUESTS_PER_SCENARIO = 100  # different ones, sent in turn
SERIAL = "$SERIAL"  # a number that the load generator counts up, so that every change is one
# Least share of the peer's requests per second, the median of all rounds.
GOALS = {
    "calls_page_1": 2.5,
    "calls_by_outcome": 2.0,
    "calls_deep": 2.0,
    "call": 1.5,
    "recipients_page_1": 2.0,
    "recipients_deep": 2.0,
}
MAX_MEMORY_RATIO = 1.0  # of both processes, ours to the peer's


@dataclass(frozen=True)
class Scenario:
    """One kind of request.

    `path` and `body` may name `{call}`, `{batch}` (a small one), `{list}` (the long one),
    `{quarter}` and `{half}` (pages that deep). `differs` are the fields of an answer in which two
    equal requests differ; `route` is the path without its query.
    """

    name: str
    path: str
    method: str = "GET"
    body: str = ""
    differs: tuple[str, ...] = ()

    @property
    def route(self) -> str:
        return self.path.partition("?")[0]


SCENARIOS = (
    Scenario("calls_page_1", "/calls"),
    Scenario("calls_by_outcome", "/calls?outcome=busy"),
    Scenario("calls_deep", "/calls?page={quarter}"),
    Scenario("call", "/calls/{call}"),
    Scenario("call_events", "/calls/{call}/events"),
    Scenario("call_transcript", "/calls/{call}/transcript"),
    Scenario("batches", "/batches"),
    Scenario("batch", "/batches/{batch}"),
    Scenario("recipients_page_1", "/batches/{list}/recipients"),
    Scenario("recipients_deep", "/batches/{list}/recipients?page={half}"),
    Scenario("recipients_by_status", "/batches/{list}/recipients?status=failed"),
    Scenario("agents", "/agents"),
    Scenario("suppressions", "/suppressions"),
    Scenario("webhooks", "/webhooks"),
    Scenario(
        "call_post",
        "/calls",
        method="POST",
        body='{"agent_id": "{agent}", "to": "+12025550147", "variables": {"first_name": "Ada"}}',
        differs=("id", "created_at"),
    ),
    Scenario(
        "batch_patch",
        "/batches/{batch}",
        method="PATCH",
        body=json.dumps({"name": f"List {SERIAL}"}),
        differs=("name",),
    ),
)


@dataclass(frozen=True)
class ApiRequest:
    """One request with every name filled in."""

    method: str
    path: str
    body: str


def requests_of(scenario: Scenario, rows: ApiRows) -> list[ApiRequest]:
    """The requests of a scenario, each of another row where its path names one."""
    names = islice(_names(rows), REQUESTS_PER_SCENARIO)
    requests = (
        ApiRequest(scenario.method, _fill(scenario.path, values), _fill(scenario.body, values))
        for values in names
    )
    return list(dict.fromkeys(requests))


def _names(rows: ApiRows) -> Iterator[dict[str, str]]:
    pages = max(4, rows.rows // ROWS_PER_PAGE)
    fixed = {
        "{agent}": str(rows.agent.pk),
        "{list}": str(rows.long_batch.pk),
        "{quarter}": str(pages // 4),
        "{half}": str(pages // 2),
    }
    for index in range(REQUESTS_PER_SCENARIO):
        call = rows.calls[index % len(rows.calls)]
        batch = rows.small_batches[index % len(rows.small_batches)]
        yield {**fixed, "{call}": str(call), "{batch}": str(batch)}


def _fill(template: str, values: dict[str, str]) -> str:
    # No str.format: bodies have braces of their own.
    for name, value in values.items():
        template = template.replace(name, value)
    return template
