import pytest
from pytest_django import Settings

from accounts.models import Workspace
from telephony.models import PhoneNumber, SipTrunk
from tests import make
from tests.sandbox_server import RunningSandbox
from tests.telephony.numbers.livekit import NOTHING, everything
from tests.telephony.numbers.registration import body
from tests.telephony.numbers.relay import Break, Relay


def test_livekits_refusal_is_reported_and_leaves_nothing(ours: Workspace, relay: Relay) -> None:
    words = b'{"code": "invalid_argument", "msg": "twirp error unknown: missing trunk"}'
    relay.breaks = [Break("CreateSIPInboundTrunk", status=400, body=words)]

    response = make.client(ours).post("/phone-numbers", body())

    assert response.status_code == 500
    assert response.json() == {"detail": "LiveKit SIP error: missing trunk"}
    assert everything() == NOTHING
    assert not PhoneNumber.unscoped.exists()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_malformed_answer_from_livekit_is_reported_and_leaves_nothing(
    ours: Workspace, relay: Relay, after: bool
) -> None:
    relay.breaks = [
        Break("CreateSIPInboundTrunk", status=200, body=b"<html>Please log in</html>", after=after)
    ]

    response = make.client(ours).post("/phone-numbers", body())

    words = "LiveKit SIP error: an answer that could not be understood"
    assert (response.status_code, response.json()) == (500, {"detail": words})
    assert everything() == NOTHING
    assert not PhoneNumber.unscoped.exists()


def test_a_refused_key_is_reported_without_the_secret(
    ours: Workspace, box: RunningSandbox, settings: Settings
) -> None:
    settings.LIVEKIT_API_SECRET = "another secret, long enough for the algorithm"

    response = make.client(ours).post("/phone-numbers", body())

    assert response.status_code == 500
    assert response.json() == {"detail": "LiveKit SIP error: the API key or secret was refused"}
    settings.LIVEKIT_API_SECRET = box.api_secret
    assert everything() == NOTHING


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("status", [0, 500, 503], ids=["dropped", "500", "503"])
@pytest.mark.parametrize(
    "step", ["CreateSIPInboundTrunk", "CreateSIPOutboundTrunk", "CreateSIPDispatchRule"]
)
def test_a_registration_that_fails_at_any_step_leaves_nothing(
    ours: Workspace, relay: Relay, step: str, status: int, after: bool
) -> None:
    agent = make.agent(ours)
    relay.breaks = [Break(step, after=after, status=status)]

    response = make.client(ours).post("/phone-numbers", body(inbound_agent_id=str(agent.pk)))

    assert any(path.endswith(step) for path in relay.seen)
    assert response.status_code == 500
    assert response.json()["detail"].startswith("LiveKit SIP error: ")
    assert everything() == NOTHING
    assert not PhoneNumber.unscoped.exists()
    assert not SipTrunk.unscoped.exists()


def test_a_number_can_be_registered_after_it_failed(ours: Workspace, relay: Relay) -> None:
    relay.breaks = [Break("CreateSIPOutboundTrunk", after=True)]
    client = make.client(ours)

    first = client.post("/phone-numbers", body())
    second = client.post("/phone-numbers", body())

    assert (first.status_code, second.status_code) == (500, 201)
    assert {kind: len(items) for kind, items in everything().items()} == {
        "outbound": 1,
        "inbound": 1,
        "rules": 0,
    }


def test_unreachable_livekit_is_reported(ours: Workspace) -> None:
    response = make.client(ours).post("/phone-numbers", body())

    assert (response.status_code, response.json()) == (
        500,
        {"detail": "LiveKit SIP error: could not be reached"},
    )


def test_a_registration_that_cannot_be_undone_now_is_undone_by_the_next(
    ours: Workspace, relay: Relay
) -> None:
    relay.breaks = [
        Break("CreateSIPOutboundTrunk", status=503),
        Break("DeleteSIPTrunk", status=503),
    ]
    client = make.client(ours)

    first = client.post("/phone-numbers", body())

    assert first.status_code == 500
    assert client.get("/phone-numbers").json()["items"][0]["status"] == "error"
    assert client.post("/phone-numbers", body()).status_code == 201
    assert {kind: len(items) for kind, items in everything().items()} == {
        "outbound": 1,
        "inbound": 1,
        "rules": 0,
    }


def test_a_key_whose_registration_failed_at_livekit_may_be_used_again(
    ours: Workspace, relay: Relay
) -> None:
    relay.breaks = [Break("CreateSIPOutboundTrunk", status=503)]
    client = make.client(ours)
    key = {"Idempotency-Key": "one"}

    answers = [client.post("/phone-numbers", body(), headers=key) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [500, 201, 201]
    assert [answer.get("Idempotent-Replay") for answer in answers] == [None, None, "true"]
    assert PhoneNumber.unscoped.count() == 1
