"""The signature on LiveKit's events: a token of our own API key with the hash of the body
(`protocols.md` §3).
"""

import base64
import binascii
import hashlib
import hmac

import jwt
from django.conf import settings
from livekit import api


class BadSignature(Exception):
    """The event is not LiveKit's, or not for our key."""


def check_signature(body: bytes, token: str) -> None:
    """Raises BadSignature. `token` is the Authorization header as it came: LiveKit sends no
    `Bearer`.
    """
    try:
        claims = api.TokenVerifier(settings.LIVEKIT_API_KEY, settings.LIVEKIT_API_SECRET).verify(
            token
        )
        told = base64.b64decode(claims.sha256 or "", validate=True)
    except (jwt.PyJWTError, binascii.Error) as error:
        raise BadSignature from error
    # An ordinary API token carries no hash, and is no signature of anything.
    if not told or not hmac.compare_digest(told, hashlib.sha256(body).digest()):
        raise BadSignature
