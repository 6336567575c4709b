"""The signed message of Standard Webhooks, and the endpoints' secrets that sign it.

Secrets are generated here and stored encrypted, each bound to its row and column.
"""

import base64
import os
from datetime import datetime
from typing import Any

from standardwebhooks import Webhook

from voiceops.core.crypto import context_of, decrypt, encrypt
from voiceops.core.json_text import dump_json
from webhooks.models import WebhookEndpoint

SIGNING_SECRET_PREFIX = "whsec_"  # noqa: S105  # a prefix, not a secret
# Standard Webhooks allows 24 to 64.
SIGNING_SECRET_BYTES = 32


def generate_secret() -> str:
    return SIGNING_SECRET_PREFIX + base64.b64encode(os.urandom(SIGNING_SECRET_BYTES)).decode()


def encrypt_secret(endpoint: WebhookEndpoint, column: str, secret: str) -> str:
    """Encrypt a secret for one column of the endpoint's row."""
    return encrypt(secret, _context(endpoint, column))


def reencrypt_secret(endpoint: WebhookEndpoint, *, from_column: str, to_column: str) -> str:
    """Return the secret stored in one column, encrypted for another.

    Raises crypto.DecryptError when no configured key decrypts it.
    """
    token: str = getattr(endpoint, from_column)
    secret = decrypt(token, _context(endpoint, from_column))
    return encrypt_secret(endpoint, to_column, secret)


def build_body(type: str, at: datetime, data: Any) -> str:
    """Return the JSON body of an event: `type`, `timestamp` and `data`."""
    envelope = {"type": type, "timestamp": at, "data": data}
    return dump_json(envelope)


def sign_headers(
    endpoint: WebhookEndpoint, *, message_id: str, body: str, now: datetime
) -> dict[str, str]:
    """Return the headers that sign one attempt. While a secret is being replaced, both sign.

    Raises crypto.DecryptError when no configured key decrypts a secret.
    """
    tokens = [("secret", endpoint.secret)]
    if endpoint.previous_secret_until and endpoint.previous_secret_until > now:
        tokens.append(("previous_secret", endpoint.previous_secret))
    signers = [Webhook(decrypt(token, _context(endpoint, column))) for column, token in tokens]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signer.sign(message_id, now, body) for signer in signers),
    }


# Bound to row and column, so that a token copied to another place does not decrypt there.
def _context(endpoint: WebhookEndpoint, column: str) -> str:
    return context_of(endpoint._meta.db_table, column, endpoint.pk)
