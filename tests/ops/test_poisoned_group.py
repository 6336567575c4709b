"""Of the webhooks that arrive together, one cannot be stored: its neighbours are, once each."""

import io
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from django.db import connection

from ops.serving.intake_threads import IntakeThreads
from ops.serving.kept_answers import KeptAnswers
from telephony.models import Call, InboxEvent, Turn
from telephony.views.foreseen import Foreseen, foreseeing
from tests import make
from tests.ops.test_intake_threads import TURN
from tests.telephony.calls import livekit
from tests.telephony.calls.reported_calls import talking
from tests.telephony.calls.test_foresight import report, webhook
from voiceops.wsgi import application

POISONED = "EV_poisoned"
REFUSE = f"CREATE TRIGGER poisoned BEFORE INSERT ON {InboxEvent._meta.db_table} "
REFUSALS = {
    "sqlite": [
        f"{REFUSE} WHEN NEW.event_id = '{POISONED}' BEGIN SELECT RAISE(ABORT, 'poisoned'); END"
    ],
    "postgresql": [
        "CREATE FUNCTION refuse_poisoned() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'poisoned'; END $$",
        f"{REFUSE} FOR EACH ROW WHEN (NEW.event_id = '{POISONED}') "
        "EXECUTE FUNCTION refuse_poisoned()",
    ],
}
PERMISSIONS = {
    "sqlite": ["DROP TRIGGER poisoned"],
    "postgresql": ["DROP FUNCTION refuse_poisoned() CASCADE"],
}


@pytest.fixture
def poisoned_inbox(transactional_db: None) -> Iterator[None]:
    """Let the database refuse one webhook, whoever stores it."""
    with connection.cursor() as cursor:
        for statement in REFUSALS[connection.vendor]:
            cursor.execute(statement)
        yield
        for statement in PERMISSIONS[connection.vendor]:
            cursor.execute(statement)


class Server:
    """Answers what sockets have received as a web process does: together, or each in its turn."""

    def __init__(self) -> None:
        self.statuses: list[str] = []
        self.declined: list[bytes] = []
        self.application = KeptAnswers(application)
        self.threads = IntakeThreads(self.answer, lambda _: None, self.decline)

    def post(self, *requests: bytes) -> None:
        self.threads.answer_round(self.threads.store_round([(each, each) for each in requests]))

    def answer(self, connection: bytes, sent: bytes, stored: Foreseen | None) -> bool:
        head, _, body = sent.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": first.split()[1],
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_TYPE": headers["Content-Type"],
            "CONTENT_LENGTH": headers["Content-Length"],
            "HTTP_HOST": headers["Host"],
            "HTTP_AUTHORIZATION": headers["Authorization"],
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.input": io.BytesIO(body),
            "wsgi.url_scheme": "http",
        }
        with foreseeing(stored) if stored is not None else nullcontext():
            list(self.application(environ, lambda status, _: self.statuses.append(status)))
        return True

    def decline(self, sent: bytes, known: Foreseen | None) -> None:
        self.declined.append(sent)
        self.answer(sent, sent, known)


def joined(call: Call, **parts: Any) -> bytes:
    callee = livekit.callee(call)
    event = livekit.event("participant_joined", call, participant=callee, **parts)
    return webhook({**event, **parts})


def test_of_webhooks_together_the_poisoned_one_is_refused_and_the_others_are_stored_once(
    poisoned_inbox: None, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, third = (talking(make.workspace()) for _ in range(3))
    neighbours = [joined(first, id="EV_first"), joined(second, id="EV_second"), report(third, TURN)]
    poisoned = joined(third, id=POISONED)
    server = Server()

    server.post(neighbours[0], poisoned, *neighbours[1:])

    # LiveKit repeats what was answered with a 5xx, and what was stored is not stored again.
    assert server.declined == [neighbours[0], poisoned, *neighbours[1:]]
    assert [status[:3] for status in server.statuses] == ["200", "500", "200", "200"]
    stored = InboxEvent.objects.order_by("pk").values_list("pk", flat=True)
    assert list(stored) == ["EV_first", "EV_second"]
    assert list(Turn.unscoped.values_list("call_id", "text")) == [(third.pk, "Yes?")]

    server.post(*neighbours[:2])

    assert len(server.declined) == 4
    assert [status[:3] for status in server.statuses[4:]] == ["200", "200"]
    assert list(stored.all()) == ["EV_first", "EV_second"]


def test_a_webhook_that_was_refused_is_stored_when_it_is_repeated(poisoned_inbox: None) -> None:
    poisoned = joined(talking(make.workspace()), id=POISONED)
    server = Server()
    server.post(poisoned)
    with connection.cursor() as cursor:
        for statement in PERMISSIONS[connection.vendor]:
            cursor.execute(statement)
        for statement in REFUSALS[connection.vendor]:
            cursor.execute(statement.replace(POISONED, "EV_other"))

    server.post(poisoned)

    assert [status[:3] for status in server.statuses] == ["500", "200"]
    assert list(InboxEvent.objects.values_list("pk", flat=True)) == [POISONED]
