"""The signature on LiveKit's webhooks: a token of our own API key with the hash of the body.

`docs/reference/protocols.md §3`. The token is a JWT, of which LiveKit makes one kind: HS256, with
issuer and expiry. It is checked here, because every webhook pays for it, and a general library
takes six times as long (`docs/performance.md`). A test holds both to the same answers.
"""

import base64
import binascii
import hashlib
import hmac
import time
from functools import lru_cache
from typing import Any

import orjson
from django.conf import settings

LEEWAY_SECONDS = 60  # for clocks that differ


class BadSignature(Exception):
    """The webhook was not signed by LiveKit with our key."""


def check_signature(body: bytes, token: str) -> None:
    """Compare the body with the hash in the token. Raises BadSignature.

    `token` is the Authorization header as it came: LiveKit sends it without `Bearer`.
    """
    try:
        signed, _, signature = token.encode("ascii").rpartition(b".")
        header, _, payload = signed.partition(b".")
        expected = hmac.digest(_key(settings.LIVEKIT_API_SECRET), signed, "sha256")
        # Before anything of the token is believed.
        if not hmac.compare_digest(_decode(signature), expected) or not _is_accepted(header):
            raise BadSignature
        claims = orjson.loads(_decode(payload))
        # An ordinary API token carries no hash, so it signs nothing.
        signed_hash = base64.b64decode(claims["sha256"], validate=True)
        is_valid = _is_ours_and_valid(claims)
    except (UnicodeError, binascii.Error, ValueError, TypeError, KeyError) as error:
        raise BadSignature from error
    if not is_valid or not hmac.compare_digest(signed_hash, hashlib.sha256(body).digest()):
        raise BadSignature


def _is_ours_and_valid(claims: dict[str, Any]) -> bool:
    """Raises TypeError or ValueError for times that are none."""
    now = time.time()
    starts = (int(claims[name]) for name in ("nbf", "iat") if name in claims)
    return (
        claims.get("iss") == settings.LIVEKIT_API_KEY
        and int(claims["exp"]) > now - LEEWAY_SECONDS
        and all(start <= now + LEEWAY_SECONDS for start in starts)
        # One made for another audience is not for us.
        and not claims.get("aud")
    )


@lru_cache(maxsize=2)
def _key(secret: str) -> bytes:
    # Without one, anybody could sign.
    if not secret:
        raise ValueError("LIVEKIT_API_SECRET is empty")
    return secret.encode()


@lru_cache(maxsize=8)
def _is_accepted(header: bytes) -> bool:
    """Whether the token says that it is signed as LiveKit signs; the header hardly ever changes."""
    found = orjson.loads(_decode(header))
    return (
        isinstance(found, dict)
        and found.get("alg") == "HS256"
        and not {"crit", "b64"} & found.keys()
    )


def _decode(segment: bytes) -> bytes:
    """Decode base64url without padding. Raises binascii.Error."""
    return base64.b64decode(segment + b"=" * (-len(segment) % 4), b"-_", validate=True)
