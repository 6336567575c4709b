"""Secrets of endpoints: made here, kept encrypted for their row and column, used to sign (Standard
Webhooks).
"""

import base64
import os
from datetime import datetime
from typing import Any

import orjson
from standardwebhooks import Webhook

from voiceops.core.crypto import context_of, decrypt, encrypt
from webhooks.models import WebhookEndpoint

PREFIX = "whsec_"
BYTES = 32  # Standard Webhooks: 24 to 64


def new_secret() -> str:
    return PREFIX + base64.b64encode(os.urandom(BYTES)).decode()


def encrypt_secret(endpoint: WebhookEndpoint, column: str, secret: str) -> str:
    return encrypt(secret, _context(endpoint, column))


def reencrypt_secret(endpoint: WebhookEndpoint, *, since: str, to: str) -> str:
    """The secret of one column, encrypted for another."""
    return encrypt_secret(
        endpoint, to, decrypt(getattr(endpoint, since), _context(endpoint, since))
    )


def sign(endpoint: WebhookEndpoint, *, message_id: str, body: str, now: datetime) -> dict[str, str]:
    """The headers of one try. While a secret is being replaced, both sign."""
    sealed = [("secret", endpoint.secret)]
    if endpoint.previous_secret_until and endpoint.previous_secret_until > now:
        sealed.append(("previous_secret", endpoint.previous_secret))
    hooks = [Webhook(decrypt(token, _context(endpoint, column))) for column, token in sealed]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(hook.sign(message_id, now, body) for hook in hooks),
    }


def _context(endpoint: WebhookEndpoint, column: str) -> str:
    return context_of(endpoint._meta.db_table, column, endpoint.pk)


def body_of(type: str, at: datetime, data: Any) -> str:
    """The thin envelope of Standard Webhooks."""
    envelope = {"type": type, "timestamp": at, "data": data}
    return orjson.dumps(envelope, option=orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC).decode()
