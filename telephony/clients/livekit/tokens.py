"""LiveKit's tokens: ours for a dial and for a browser, and every request's without a beginning.

The client signs every request with a token that begins now (`nbf`), by the clock of the machine
that signs it. LiveKit would refuse every token of a machine whose clock is a minute fast. The claim
gains nothing, so our tokens have none; they end hours later. Only the dial's token ends soon, by
the database's clock.
"""

from datetime import datetime, timedelta
from typing import Any

import jwt
from django.conf import settings

from telephony.clients.livekit.sdk import aiohttp, api

# Needed for joining alone: whoever is in the room stays there when the token ends.
BROWSER_TOKEN_LIFETIME = timedelta(minutes=10)
_AUTHORIZATION = "Authorization"
_BEARER = "Bearer "


def dial_token(expires_at: datetime) -> str:
    """Return a token that can dial and do nothing else; `expires_at` is by the database's clock."""
    claims: dict[str, Any] = {
        "iss": settings.LIVEKIT_API_KEY,
        "sub": "",
        "exp": int(expires_at.timestamp()),
        "sip": {"call": True},
        "video": {},
    }
    return jwt.encode(claims, settings.LIVEKIT_API_SECRET, algorithm="HS256")


def browser_token(*, room: str, identity: str) -> str:
    """Return a token that joins one room, and does nothing else, for ten minutes."""
    grants = api.VideoGrants(
        room_join=True, room=room, can_publish=True, can_subscribe=True, can_publish_data=False
    )
    token = api.AccessToken(settings.LIVEKIT_API_KEY, settings.LIVEKIT_API_SECRET)
    token = token.with_identity(identity).with_ttl(BROWSER_TOKEN_LIFETIME).with_grants(grants)
    return str(token.to_jwt())


def without_beginning(token: str) -> str:
    """Return the token with the same claims except `nbf`, signed again."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    if claims.pop("nbf", None) is None:
        return token
    return jwt.encode(claims, settings.LIVEKIT_API_SECRET, algorithm="HS256")


async def send_without_beginning(
    request: "aiohttp.ClientRequest", send: "aiohttp.ClientHandlerType"
) -> "aiohttp.ClientResponse":
    """Send the request once, with a token without `nbf` (a middleware of aiohttp)."""
    token = request.headers.get(_AUTHORIZATION, "").removeprefix(_BEARER)
    if token:
        request.headers[_AUTHORIZATION] = _BEARER + without_beginning(token)
    return await send(request)
