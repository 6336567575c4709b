"""Webhooks are verified, and read as typed events."""

import base64
import hashlib
import hmac
import json
import time

import pytest

from tests.scripted_server import Answer, scripted_server
from voiceops import SignatureInvalid, VoiceOps, models, webhooks

KEY = b"0123456789abcdef0123456789abcdef"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
OTHER_SECRET = "whsec_" + base64.b64encode(KEY[::-1]).decode()
BODY = json.dumps(
    {
        "type": "webhook.test",
        "timestamp": "2026-03-01T10:00:00Z",
        "data": {"webhook_id": "w1", "message": "Hello"},
    }
).encode()


def headers(
    body: bytes = BODY, *, at: float | None = None, message_id: str = "m1"
) -> dict[str, str]:
    timestamp = str(int(time.time() if at is None else at))
    signed = f"{message_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
    # While a secret is being replaced, two sign.
    return {
        "Webhook-Id": message_id,
        "Webhook-Timestamp": timestamp,
        "Webhook-Signature": f"v1,AAAA v1,{signature}",
    }


def test_a_signed_webhook_becomes_a_typed_event() -> None:
    event = webhooks.verify(BODY, headers(), [OTHER_SECRET, SECRET])

    assert isinstance(event, models.TestEventPayload)
    assert (event.type, event.data.message) == ("webhook.test", "Hello")


def test_an_event_of_a_newer_server_is_passed_on() -> None:
    body = b'{"type": "moon.full", "timestamp": "2026-03-01T10:00:00Z", "data": {"phase": 1}}'

    event = webhooks.verify(body, headers(body), SECRET)

    assert event == webhooks.UnknownEvent(
        type="moon.full", timestamp="2026-03-01T10:00:00Z", data={"phase": 1}
    )


@pytest.mark.parametrize(
    ("body", "given", "secret"),
    [
        (BODY + b" ", headers(), SECRET),
        (BODY, headers(), OTHER_SECRET),
        (BODY, headers(at=time.time() - 301), SECRET),
        (BODY, headers(at=time.time() + 600), SECRET),
        (BODY, {**headers(), "Webhook-Id": "m2"}, SECRET),
        (BODY, {}, SECRET),
        (BODY, headers(), "not a secret"),
    ],
    ids=["changed", "other secret", "old", "from the future", "other id", "unsigned", "no secret"],
)
def test_what_is_not_signed_is_refused(body: bytes, given: dict[str, str], secret: str) -> None:
    with pytest.raises(SignatureInvalid):
        webhooks.verify(body, given, secret)


def test_what_the_server_sends_is_accepted(voiceops: VoiceOps) -> None:
    with scripted_server(Answer()) as receiver:
        webhook = voiceops.webhooks.create(url=f"{receiver.url}/hooks")
        voiceops.webhooks.test(webhook.id)
        deadline = time.monotonic() + 30
        while not receiver.asked and time.monotonic() < deadline:
            time.sleep(0.1)
        voiceops.webhooks.delete(webhook.id)

    (sent,) = receiver.asked
    event = webhooks.verify(sent.body, sent.headers, webhook.secret)
    assert isinstance(event, models.TestEventPayload)
    assert event.data.webhook_id == webhook.id
