"""Verifies webhooks (https://www.standardwebhooks.com) and reads them as typed events."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from voiceops._generated.events import EVENT_TYPES, KnownEvent
from voiceops.base import Model
from voiceops.errors import SignatureInvalid

TOLERANCE_SECONDS = 300.0
SECRET_PREFIX = "whsec_"  # noqa: S105  # a prefix, not a secret


class UnknownEvent(Model):
    """An event of a type that a newer server sends."""

    type: str
    timestamp: str
    data: Any


Event = KnownEvent | UnknownEvent


def verify(
    body: bytes | str,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    *,
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> Event:
    """Return the event of a webhook that was signed with the secret, or with one of several.

    `body` is what arrived, byte for byte. Remember `headers["webhook-id"]`: it is the same when
    a delivery is repeated. Raises SignatureInvalid.
    """
    raw = body.encode() if isinstance(body, str) else body
    given = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp, signatures = (
        given.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
    )
    _check_age(timestamp, tolerance_seconds)
    signed = b".".join([message_id.encode(), timestamp.encode(), raw])
    versions = (signature.partition(",") for signature in signatures.split())
    candidates = [value for version, _, value in versions if version == "v1"]
    secrets = [secret] if isinstance(secret, str) else secret
    expected = [_sign(each, signed) for each in secrets]
    if not any(hmac.compare_digest(one, other) for one in expected for other in candidates):
        raise SignatureInvalid("The webhook was not signed with this secret")
    return read_event(raw)


def read_event(body: bytes | str) -> Event:
    """Return the event of a body whose signature has been verified elsewhere."""
    fields = json.loads(body)
    kind = EVENT_TYPES.get(fields["type"], UnknownEvent)
    event: Event = kind.model_validate(fields)  # type: ignore[assignment]
    return event


def _check_age(timestamp: str, tolerance_seconds: float) -> None:
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > tolerance_seconds:
        raise SignatureInvalid("The webhook has no timestamp, or is too old")


def _sign(secret: str, signed: bytes) -> str:
    """Raises SignatureInvalid for a secret that is none."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise SignatureInvalid(
            "The secret must begin with whsec_, as the API returned it"
        ) from error
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
