"""The signature on LiveKit's webhooks: a token of our own API key with the hash of the body.

`docs/reference/protocols.md §3`
"""

import base64
import binascii
import hashlib
import hmac

import jwt
from django.conf import settings
from livekit import api


class BadSignature(Exception):
    """The webhook was not signed by LiveKit with our key."""


def check_signature(body: bytes, token: str) -> None:
    """Compare the body with the hash in the token. Raises BadSignature.

    `token` is the Authorization header as it came: LiveKit sends it without `Bearer`.
    """
    try:
        claims = api.TokenVerifier(settings.LIVEKIT_API_KEY, settings.LIVEKIT_API_SECRET).verify(
            token
        )
        signed_hash = base64.b64decode(claims.sha256 or "", validate=True)
    except (jwt.PyJWTError, binascii.Error) as error:
        raise BadSignature from error
    # An ordinary API token carries no hash, so it signs nothing.
    if not signed_hash or not hmac.compare_digest(signed_hash, hashlib.sha256(body).digest()):
        raise BadSignature
