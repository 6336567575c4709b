"""What machines post is stored together and answered, with a real worker's application."""

import io
import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from accounts.models import Workspace
from ops.serving import intake_threads
from ops.serving.intake_threads import IntakeThreads
from ops.serving.kept_answers import KeptAnswers
from telephony.models import Call, Stage, Turn
from telephony.views.foreseen import Foreseen, foreseeing
from telephony.views.foresight import MAX_FORESEEN_BYTES
from tests import make
from tests.telephony.calls import livekit
from tests.telephony.calls.reported_calls import talking
from tests.telephony.calls.test_foresight import report
from voiceops.core.ids import uuid7
from voiceops.wsgi import application

TURN = orjson.dumps({"events": [livekit.reported("turn", role="user", text="Yes?")]})


class Rounds:
    """Stands for the worker: remembers what became of each connection."""

    def __init__(self) -> None:
        self.answers: list[tuple[Any, bool | None]] = []
        self.finished: list[Any] = []
        self.declined: list[tuple[Any, bool | None]] = []
        self.threads = IntakeThreads(self.answer, self.finished.extend, self.decline)

    def post(self, *arrived: tuple[Any, bytes]) -> None:
        self.threads.answer_round(self.threads.store_round(arrived))

    def answer(self, connection: Any, sent: bytes, stored: Foreseen) -> bool | None:
        """Answer shortly, but not one that is unusual."""
        if connection == "unusual":
            return None
        self.answers.append((connection, stored.goes_on))
        return True

    def decline(self, connection: Any, known: Foreseen | None) -> None:
        self.declined.append((connection, known.goes_on if known else None))


@pytest.fixture(autouse=True)
def same_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the test's own connection, as Django's test client does."""
    monkeypatch.setattr(intake_threads, "close_old_connections", lambda: None)


def test_what_was_stored_is_answered_and_the_rest_takes_its_turn(ours: Workspace) -> None:
    first, second, third = (talking(ours) for _ in range(3))
    ended = make.call(ours, stage=Stage.ENDED)
    rounds = Rounds()

    rounds.post(
        ("first", report(first, TURN)),
        ("malformed", b"nonsense"),
        ("ended", report(ended, TURN)),
        ("unusual", report(third, TURN)),
        ("second", report(second, TURN)),
    )

    assert rounds.answers == [("first", True), ("ended", False), ("second", True)]
    assert rounds.finished == [("first", True), ("ended", True), ("second", True)]
    assert rounds.declined == [("malformed", None), ("unusual", True)]
    stored = {first.pk, second.pk, third.pk, ended.pk}
    assert set(Turn.unscoped.values_list("call_id", flat=True)) == stored


def test_a_bug_leaves_every_request_to_its_turn(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(intake_threads, "store_together", fail)
    rounds = Rounds()

    rounds.post(("first", report(talking(ours), TURN)))

    assert (rounds.answers, rounds.declined) == ([], [("first", None)])
    assert [record.getMessage() for record in caplog.records] == ["1 requests take their turn"]


def test_what_is_offered_before_a_round_is_stored_together(monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[int] = []

    def store(items: Sequence[Any]) -> list[bool]:
        groups.append(len(items))
        return [True] * len(items)

    monkeypatch.setattr(intake_threads, "store_together", store)
    rounds = Rounds()
    is_finished = threading.Event()
    rounds.threads = IntakeThreads(rounds.answer, lambda _: is_finished.set(), rounds.decline)
    rounds.threads.start()
    connections = [SimpleNamespace(parser=None) for _ in range(3)]
    sent = report(Call(pk=uuid7()), TURN)

    assert all(rounds.threads.offer(each, sent) for each in connections)
    rounds.threads.start_round()
    rounds.threads.start_round()  # nothing was offered since

    assert is_finished.wait(30)
    assert groups == [3]
    assert rounds.answers == [(each, True) for each in connections]


def test_what_is_too_long_or_no_machines_is_not_taken() -> None:
    threads = Rounds().threads
    connection = SimpleNamespace(parser=None)
    sent = report(Call(pk=uuid7()), TURN)

    assert threads.offer(connection, sent)
    assert not threads.offer(connection, sent + b"x" * MAX_FORESEEN_BYTES)
    assert not threads.offer(connection, b"GET / HTTP/1.1\r\n\r\n")
    ahead = SimpleNamespace(unreader=SimpleNamespace(buf=io.BytesIO(b"P")))
    assert not threads.offer(SimpleNamespace(parser=ahead), sent)


def answer(
    application: Any, path: str, body: bytes, goes_on: bool, **headers: str
) -> tuple[str, dict[str, str], bytes]:
    """Return status, headers and body of the answer to a request that was stored before."""
    call_id = path.split("/")[2]
    given = report(Call(pk=call_id), body).partition(b"Bearer ")[2].partition(b"\r\n")[0]
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "localhost",
        "HTTP_AUTHORIZATION": f"Bearer {given.decode()}",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
        **headers,
    }
    found: list[Any] = []
    with foreseeing(Foreseen(path, body, None, goes_on)):
        content = application(environ, lambda *given: found.append(given))
        return found[0][0], dict(found[0][1]), b"".join(content)


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_kept_answer_is_what_django_answers(db: None, goes_on: bool) -> None:
    kept = KeptAnswers(application)
    for _ in range(2):
        path = f"/calls/{uuid7()}/report"
        headers = {"HTTP_X_REQUEST_ID": "of-the-client", "HTTP_X_FORWARDED_PROTO": "https"}

        assert answer(kept, path, TURN, goes_on, **headers) == answer(
            application, path, TURN, goes_on, **headers
        )

    detail = "Received" if goes_on else "Call has ended"
    status, first, body = answer(kept, path, TURN, goes_on)
    _, second, _ = answer(kept, path, TURN, goes_on)
    assert (status, orjson.loads(body)) == ("200 OK", {"detail": detail})
    assert len({first["X-Request-ID"], second["X-Request-ID"], "of-the-client"}) == 3


def test_a_request_with_other_headers_is_answered_by_django(db: None) -> None:
    kept = KeptAnswers(application)
    path = f"/calls/{uuid7()}/report"
    answer(kept, path, TURN, True)

    _, headers, _ = answer(kept, path, TURN, True, HTTP_ORIGIN="https://elsewhere.example")

    expected = answer(application, path, TURN, True, HTTP_ORIGIN="https://elsewhere.example")[1]
    del headers["X-Request-ID"], expected["X-Request-ID"]
    assert headers == expected


def test_each_answer_has_its_line_in_the_log(db: None, caplog: pytest.LogCaptureFixture) -> None:
    kept = KeptAnswers(application)
    path = f"/calls/{uuid7()}/report"
    with caplog.at_level("INFO", "voiceops.requests"):
        for _ in range(2):
            answer(kept, path, TURN, True)

    assert [record.getMessage() for record in caplog.records] == [f"POST {path} 200"] * 2
