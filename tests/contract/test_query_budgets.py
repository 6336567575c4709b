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
from batches.models import Batch, Recipient
from telephony.models import Call, Turn
from tests import make
from tests.architecture.routes import routes
from tests.architecture.test_routes import MAKERS, fill
from tests.console.browsers import reader
from tests.console.test_routes import NO_ONE, ROLES, address
from worker import sweep

CLOCK = "SELECT clock_timestamp()"  # SQLite's is the process's
# GET -> queries, the credentials' own included.
ENDPOINTS = {
    "/agents": 2,
    "/agents/{pk}": 2,
    "/agents/{pk}/rehearsals": 3,
    "/agents/{pk}/rehearsals/{rehearsal_id}": 3,
    "/agents/{pk}/scripts": 3,
    "/agents/{pk}/versions": 3,
    "/agents/{pk}/warnings": 3,
    "/agents/published-warnings": 2,
    "/analytics/summary": 4,
    "/api-keys": 2,
    "/audit-log": 2,
    "/batches": 3,
    "/batches/{pk}": 3,
    "/batches/{pk}/reasons": 4,
    "/batches/{pk}/recipients": 3,
    "/batches/{pk}/rejected": 3,
    "/batches/{pk}/rejected.csv": 3,
    "/batches/{pk}/results.csv": 3,
    "/batches/{pk}/results.xlsx": 3,
    "/callbacks": 2,
    "/callbacks/{pk}": 2,
    "/calling-profiles": 1,
    "/calls": 2,
    "/calls/{pk}": 2,
    "/calls/{pk}/events": 3,
    "/calls/{pk}/transcript": 3,
    "/column-mappings": 2,
    "/column-mappings/{pk}": 2,
    "/phone-numbers": 3,
    "/phone-numbers/{pk}": 3,
    "/saved-reports": 3,
    "/saved-reports/{pk}": 3,
    "/sip-trunks": 2,
    "/sip-trunks/{pk}": 2,
    "/suppressions": 2,
    "/suppressions/imports": 2,
    "/suppressions/imports/{pk}": 2,
    "/webhooks": 2,
    "/webhooks/{pk}": 2,
    "/webhooks/{pk}/deliveries": 3,
    "/webhooks/{pk}/deliveries/{delivery_id}": 3,
    "/workspaces": 3,
    "/workspaces/{pk}": 2,
    "/workspaces/{workspace_id}/invitations": 3,
    "/workspaces/{workspace_id}/members": 3,
}
# Page of the console -> queries, the session's own included.
PAGES = {
    "agent": 10,
    "agents": 2,
    "audit": 2,
    "batch": 12,
    "batch-people": 8,
    "batch-refused": 5,
    "batches": 3,
    "buy-number": 1,
    "call": 9,
    "callbacks": 2,
    "calls": 2,
    "delivery": 4,
    "developers": 3,
    "do-not-call": 2,
    "home": 16,
    "members": 5,
    "new-batch": 4,
    "number": 4,
    "numbers": 4,
    "people": 1,
    "person": 6,
    "reports": 19,
    "settings": 2,
    "talk": 4,
    "webhook": 4,
    "webhook-order": 4,
}
# Round of the worker -> queries when nothing is to be done, and with three ended calls.
ROUNDS = {
    "apply_dispositions": (1, 1),
    "apply_pending_events": (1, 1),
    "cancel_rest_of_stopped": (1, 1),
    "complete_batches": (1, 2),
    "enqueue_due_reports": (1, 1),
    "enqueue_overdue_imports": (4, 4),
    "enqueue_waiting_rehearsals": (1, 1),
    "follow_callbacks": (2, 2),
    "mark_recipients_in_call": (3, 3),
    "settle_ended_calls": (3, 17),
    "start_due_batches": (2, 2),
    "suppress_opt_outs": (1, 1),
}
WITHOUT = {
    "/auth/me": "has its number in tests/accounts/test_lists.py",
    "/batches/{pk}/progress": "a stream",
    "/audit-log/export.csv": "a file, sent in chunks",
    "/calls/export.csv": "a file, sent in chunks",
    "/calls/export.xlsx": "a file, sent in chunks",
    "/suppressions/export.csv": "a file, sent in chunks",
    "/recipients": "has its number in tests/batches/api/test_listed_recipients.py",
    "/calls/{pk}/analysis": "404 until the agent has sent one",
    "/calls/{pk}/recording": "404 until there is one",
    "/phone-numbers/available": "asks Twilio",
    "/phone-numbers/prices": "asks Twilio",
    "/phone-numbers/{pk}/drift": "asks LiveKit",
}
PAGES_WITHOUT = {
    "order": "leads back to its page",
    "recording": "leads to a file",
    "file": "a file, sent in chunks",
    "audit-file": "a file, sent in chunks",
    "calls-file": "a file, sent in chunks",
    "do-not-call-file": "a file, sent in chunks",
    "report-file": "a file, sent in chunks",
}
ROUNDS_WITHOUT = {
    "reconcile_calls": "asks LiveKit",
    "follow_inbound_calls": "asks LiveKit",
    "follow_recordings": "asks LiveKit",
    "close_unused_web_calls": "asks LiveKit",
    "clean_provisioning": "asks LiveKit and Twilio",
    "report_rehearsing": "reports only where the voice worker's program is installed",
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
            agent=batch.agent, detected="human", **times,
        )  # fmt: skip
        Recipient.unscoped.filter(pk=recipient.pk).update(last_call_id=ended.pk)


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
