"""How many queries everything that reads needs, as one table of numbers.

A GET of the API, a page of the console or a round of the worker without a number here fails; so
does one that needs another number, or more for three rows than for one. What is listed in WITHOUT
is read in chunks, or asks a provider, and has tests of its own.
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.api.viewsets import ApiViewSet
from accounts.models import Workspace
from accounts.roles import Role
from batches.models import Batch
from telephony.models import Call, Turn
from tests import make
from tests.architecture.routes import routes
from tests.architecture.test_routes import MAKERS, fill
from tests.console.browsers import reader
from tests.console.test_routes import NO_ONE, ROLES, address
from worker import sweep

CLOCK = "SELECT clock_timestamp()"  # SQLite's is the process's
# GET -> queries, the credentials' own included.
ENDPOINTS: dict[str, int] = {}
# Page of the console -> queries, the session's own included.
PAGES: dict[str, int] = {}
# Round of the worker -> queries when nothing is to be done, and with three ended calls.
ROUNDS: dict[str, tuple[int, int]] = {}
WITHOUT = {
    "/batches/{pk}/progress": "a stream",
}
PAGES_WITHOUT = {
    "order": "leads back to its page",
    "recording": "leads to a file",
    "file": "a file, sent in chunks",
    "calls-file": "a file, sent in chunks",
}
ROUNDS_WITHOUT = {
    "reconcile_calls": "asks LiveKit",
    "follow_inbound_calls": "asks LiveKit",
    "follow_recordings": "asks LiveKit",
    "close_unused_web_calls": "asks LiveKit",
    "clean_provisioning": "asks LiveKit and Twilio",
}
READING = [
    route.path
    for route in routes()
    if issubclass(route.view, ApiViewSet) and "get" in route.methods and route.path not in WITHOUT
]
OPENING = [name for name in ROLES if ROLES[name][0] != NO_ONE and name not in PAGES_WITHOUT]
SWEEPING = [each for each in sweep.ROUNDS if each.__name__ not in ROUNDS_WITHOUT]


def count_queries(act: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        act()
    return sum(query["sql"] != CLOCK for query in captured.captured_queries)


def add_rows_below(subject: Any, count: int) -> None:
    """Create rows of what a subject's lists contain."""
    for number in range(count):
        if isinstance(subject, Batch):
            make.recipient(subject)
            make.rejected_row(subject, row_number=100 + number)
        elif isinstance(subject, Call):
            values = {"call": subject, "text": "Hello", "workspace": subject.workspace}
            Turn.unscoped.create(
                role="user", started_at=timezone.now(), external_id=str(number), **values
            )
            subject.events.create(type="ringing", at=timezone.now(), workspace=subject.workspace)


def three_ended_calls(of: Workspace) -> None:
    batch = make.batch(of, status=Batch.Status.RUNNING, started_at=timezone.now())
    for _ in range(3):
        recipient = make.recipient(batch, status="dialing", due_at=None)
        now = timezone.now()
        times = {"dialed_at": now, "answered_at": now, "ended_at": now}
        ended = make.call(
            of, batch_id=batch.pk, recipient_id=recipient.pk, stage="ended", outcome="answered",
            agent=batch.agent, **times,
        )  # fmt: skip
        type(recipient).unscoped.filter(pk=recipient.pk).update(last_call_id=ended.pk)


def test_everything_that_reads_has_its_number() -> None:
    assert sorted(ENDPOINTS) == sorted(READING)
    assert sorted(PAGES) == sorted(OPENING)
    assert sorted(ROUNDS) == sorted(each.__name__ for each in SWEEPING)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("path", READING)
def test_a_get_needs_its_number_of_queries(path: str, rows: int, ours: Workspace) -> None:
    route = next(route for route in routes() if route.path == path)
    view: Any = route.view
    urls = [fill(route, ours) for _ in range(rows)]
    if not route.parameters:
        for _ in range(rows):
            MAKERS[view.model._meta.model_name](ours)
    for subject in view.model.unscoped.filter() if hasattr(view.model, "unscoped") else ():
        add_rows_below(subject, rows)
    client = make.bearer(make.member(ours, Role.ADMIN))
    client.get(urls[0])  # what is kept is written once

    answers: list[Any] = []
    queries = count_queries(lambda: answers.append(client.get(urls[0])))

    assert answers[0].status_code == 200
    assert queries == ENDPOINTS[path]


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("name", OPENING)
def test_a_page_needs_its_number_of_queries(name: str, rows: int, ours: Workspace) -> None:
    urls = [address(name, ours) for _ in range(rows)]
    for _ in range(rows):
        add_rows_below(make.batch(ours, status=Batch.Status.RUNNING), 1)
        add_rows_below(make.call(ours, dialed_at=None), rows)
        make.callback(ours)
        make.suppression(ours)
        make.delivery(make.webhook(ours))
        make.api_key(ours)
        make.invitation(ours)
    browser = reader(make.member(ours, Role.ADMIN))
    browser.get(urls[0])

    answers: list[Any] = []
    queries = count_queries(lambda: answers.append(browser.get(urls[0])))

    assert answers[0].status_code == 200
    assert queries == PAGES[name]


@pytest.mark.parametrize("work", SWEEPING, ids=lambda work: work.__name__)
def test_a_round_needs_its_number_of_queries(work: Callable[[], Any], ours: Workspace) -> None:
    idle = count_queries(work)
    three_ended_calls(ours)
    busy = count_queries(work)

    assert (idle, busy) == ROUNDS[work.__name__]
