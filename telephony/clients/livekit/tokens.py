"""Requests to LiveKit that a wrong clock of ours cannot spoil.

The client signs every request with a token that begins now (`nbf`), by the clock of the machine
that signs. On one that is a minute fast LiveKit would take it for a token of the future and refuse
everything. Nothing is gained by that claim, so ours have none; their end lies hours ahead. Only the
dial's token ends soon, by the database's clock.
"""

from typing import Any

import jwt
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, hdrs
from django.conf import settings

BEARER = "Bearer "


def without_beginning(token: str) -> str:
    """The same claims but `nbf`, signed again."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    if claims.pop("nbf", None) is None:
        return token
    return jwt.encode(claims, settings.LIVEKIT_API_SECRET, algorithm="HS256")


async def send_without_beginning(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    """A middleware of aiohttp's: it changes the header and sends once."""
    token = request.headers.get(hdrs.AUTHORIZATION, "").removeprefix(BEARER)
    if token:
        request.headers[hdrs.AUTHORIZATION] = BEARER + without_beginning(token)
    return await send(request)
