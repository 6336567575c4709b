"""The queue of people in review."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEntry, Workspace
from batches.models import Recipient
from telephony.models import CallEvent
from tests import make
from tests.admin.pages import html_of
from tests.ops.control.test_groups import of_group

URL = "/admin/review/"


def case(of: Workspace, **fields: object) -> Recipient:
    row = make.recipient(
        make.batch(of, status="completed"),
        status="review",
        reason="in_doubt",
        due_at=None,
        **fields,
    )
    now = timezone.now()
    call = make.call(of, recipient_id=row.pk, stage="ended", intent_at=now, agent_joined_at=now)
    CallEvent.unscoped.create(
        workspace=of, call=call, type="unknown", text=f"No answer about {row.phone_number}", at=now
    )
    return row


def test_a_case_has_its_evidence_and_what_each_decision_does(
    staff: Client, ours: Workspace
) -> None:
    case(ours, phone_number="+12025550186")

    page = html_of(staff.get(URL))

    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page))
    assert facts == {
        "Dial request": "sent",
        "Carrier": "no answer is known",
        "Callee in the room": "never seen",
        "Agent, our witness": "was in the room",
        "Ringing": "not reported",
    }
    assert "Nobody can prove whether the phone rang." in page
    assert "No answer about +1202•••••86" in page
    assert "as attempt 1. The batch, which has ended, starts again." in page
    assert "ends as not reached, and is not called again in this batch." in page
    assert "+12025550186" not in page


@pytest.mark.parametrize(("decision", "status"), [("release", "pending"), ("close", "failed")])
def test_a_case_is_decided_in_one_click(
    staff: Client, ours: Workspace, decision: str, status: str
) -> None:
    row = case(ours)
    form = {"recipient": str(row.pk), "decision": decision, "reason": "Rang the carrier"}

    staff.post(URL, form)
    again = html_of(staff.post(URL, form, follow=True))

    row.refresh_from_db()
    entry = AuditEntry.unscoped.get(action=f"recipient.{decision}d")
    assert (row.status, entry.changes) == (status, {"reason": "Rang the carrier"})
    assert "Recipient is not in review" in again
    assert "Nobody waits for a decision." in again


def test_a_decision_without_a_reason_is_one_of_staff(staff: Client, ours: Workspace) -> None:
    row = case(ours)

    staff.post(URL, {"recipient": str(row.pk), "decision": "close"})

    assert AuditEntry.unscoped.get(action="recipient.closed").changes == {
        "reason": "decided by staff"
    }


def test_a_case_of_a_stopped_batch_can_only_be_closed(staff: Client, ours: Workspace) -> None:
    row = case(ours)
    type(row.batch).unscoped.filter(pk=row.batch_id).update(status="stopped")

    page = html_of(staff.get(URL))

    assert re.search(r'value="release" disabled', page)
    assert "Not possible: Reminders was stopped." in page


def test_the_queue_needs_the_same_queries_for_any_number_of_cases(
    staff: Client, ours: Workspace
) -> None:
    counts = []
    for _ in range(2):
        case(ours)
        staff.get(URL)
        with CaptureQueriesContext(connection) as queries:
            staff.get(URL)
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_support_decides_in_its_own_workspaces_only(ours: Workspace, theirs: Workspace) -> None:
    client, row = of_group("Support", ours), case(theirs)

    page = html_of(client.get(URL))
    answer = client.post(URL, {"recipient": str(row.pk), "decision": "close"})

    row.refresh_from_db()
    assert "Nobody waits for a decision." in page
    assert (answer.status_code, row.status) == (404, "review")


def test_analysts_read_the_queue_and_decide_nothing(ours: Workspace) -> None:
    client, row = of_group("Analyst"), case(ours)

    page = html_of(client.get(URL))
    answer = client.post(URL, {"recipient": str(row.pk), "decision": "close"})

    assert 'value="close"' not in page
    assert answer.status_code == 403


def test_nonsense_decides_nothing(staff: Client, ours: Workspace) -> None:
    row = case(ours)
    forms = ({"recipient": "x", "decision": "close"}, {"recipient": str(row.pk), "decision": "x"})

    answers = [staff.post(URL, form).status_code for form in forms]

    row.refresh_from_db()
    assert (answers, row.status) == ([403, 403], "review")
