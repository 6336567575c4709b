"""Our check of LiveKit's signature accepts and refuses what LiveKit's own library does."""

import base64
import hashlib
import hmac
import time
from typing import Any

import jwt
import orjson
import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st
from livekit import api
from pytest_django import Settings

from telephony.clients.livekit.webhook_signature import BadSignature, check_signature

BODY = b'{"event": "room_started"}'
HASH = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
NAMES = ("iss", "exp", "nbf", "iat", "sha256", "aud")
HEADER = {"alg": "HS256", "typ": "JWT"}


def segment(value: Any) -> bytes:
    raw = value if isinstance(value, bytes) else orjson.dumps(value)
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def signed(claims: Any, header: Any = HEADER, secret: str | None = None) -> str:
    key = (settings.LIVEKIT_API_SECRET if secret is None else secret).encode()
    text = segment(header) + b"." + segment(claims)
    return (text + b"." + segment(hmac.digest(key, text, "sha256"))).decode()


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    given = {"iss": settings.LIVEKIT_API_KEY, "exp": now + 300, "sha256": HASH, **changed}
    return {name: value for name, value in given.items() if value is not ...}


def accepted_here(token: str, body: bytes = BODY) -> bool:
    try:
        check_signature(body, token)
    except BadSignature:
        return False
    return True


def accepted_by_livekit(token: str, body: bytes = BODY) -> bool:
    verifier = api.TokenVerifier(settings.LIVEKIT_API_KEY, settings.LIVEKIT_API_SECRET)
    try:
        found = verifier.verify(token).sha256 or ""
        return bool(found) and base64.b64decode(found) == hashlib.sha256(body).digest()
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
        return False


@pytest.mark.parametrize(
    ("token", "is_accepted"),
    [
        pytest.param(lambda: signed(claims()), True, id="as LiveKit makes it"),
        pytest.param(lambda: signed(claims(), {"alg": "HS256"}), True, id="without typ"),
        pytest.param(lambda: signed(claims(exp=int(time.time()) - 50)), True, id="within leeway"),
        pytest.param(lambda: signed(claims(nbf=int(time.time()) + 50)), True, id="nearly valid"),
        pytest.param(lambda: signed(claims(exp=int(time.time()) - 70)), False, id="expired"),
        pytest.param(lambda: signed(claims(exp=...)), False, id="for ever"),
        pytest.param(lambda: signed(claims(exp="soon")), False, id="expiring soon"),
        pytest.param(lambda: signed(claims(nbf=int(time.time()) + 70)), False, id="not yet valid"),
        pytest.param(lambda: signed(claims(iat=int(time.time()) + 70)), False, id="of the future"),
        pytest.param(lambda: signed(claims(iss="other")), False, id="of another key"),
        pytest.param(lambda: signed(claims(iss=...)), False, id="of no key"),
        pytest.param(lambda: signed(claims(aud="other")), False, id="for another audience"),
        pytest.param(lambda: signed(claims(sha256=...)), False, id="without a hash"),
        pytest.param(lambda: signed(claims(sha256="")), False, id="with an empty hash"),
        pytest.param(lambda: signed(claims(sha256=7)), False, id="with a hash that is none"),
        pytest.param(lambda: signed([1]), False, id="no object"),
        pytest.param(lambda: signed(b"{"), False, id="no JSON"),
        pytest.param(lambda: signed(claims(), secret="x"), False, id="another secret"),
        pytest.param(lambda: signed(claims(), {"alg": "none"}), False, id="another algorithm"),
        pytest.param(lambda: signed(claims(), {"alg": "HS512"}), False, id="a longer hash"),
        pytest.param(lambda: signed(claims(), {"typ": "JWT"}), False, id="no algorithm"),
        pytest.param(lambda: signed(claims(), [1]), False, id="header that is no object"),
        pytest.param(lambda: signed(claims(), {**HEADER, "crit": ["x"]}), False, id="critical"),
        pytest.param(lambda: signed(claims(), {**HEADER, "b64": False}), False, id="detached"),
        pytest.param(lambda: signed(claims()).rpartition(".")[0] + ".", False, id="unsigned"),
        pytest.param(lambda: signed(claims()).rpartition(".")[0], False, id="cut off"),
        pytest.param(lambda: signed(claims()) + ".x", False, id="too long"),
        pytest.param(lambda: f"Bearer {signed(claims())}", False, id="with a scheme"),
        pytest.param(lambda: "é", False, id="not ASCII"),
        pytest.param(lambda: "", False, id="none"),
    ],
)
def test_a_token_is_accepted_where_livekits_library_accepts_it(
    token: Any, is_accepted: bool
) -> None:
    given = token()

    assert (accepted_here(given), accepted_by_livekit(given)) == (is_accepted, is_accepted)


@given(
    changed=st.dictionaries(
        st.sampled_from(NAMES),
        st.one_of(
            st.none(),
            st.integers(-(2**40), 2**40),
            st.floats(0, 1e12),
            st.sampled_from(["", "1", "soon", "99999999999", HASH]),
        ),
        max_size=2,
    ),
    cut=st.integers(0, 12),
)
def test_any_claims_are_verified_as_livekits_library_verifies_them(
    changed: dict[str, Any], cut: int
) -> None:
    token = signed(claims(**changed))
    token = token[: len(token) - cut] if cut > 9 else token

    assert accepted_here(token) == accepted_by_livekit(token)


def test_a_token_signs_its_own_body_only() -> None:
    assert not accepted_here(signed(claims()), BODY + b" ")


def test_without_a_secret_nothing_is_accepted(settings: Settings) -> None:
    settings.LIVEKIT_API_SECRET = ""

    assert not accepted_here(signed(claims()))
