"""Tokens for LiveKit must not depend on the clock of the machine that signed them."""

import time

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from django.conf import settings
from pytest_django import Settings

from telephony.clients.livekit.rooms import list_rooms
from telephony.clients.livekit.session import session
from telephony.clients.livekit.tokens import without_beginning


def sign(claims: dict[str, object]) -> str:
    return jwt.encode(claims, settings.LIVEKIT_API_SECRET, algorithm="HS256")


def read(token: str) -> dict[str, object]:
    claims: dict[str, object] = jwt.decode(token, settings.LIVEKIT_API_SECRET, algorithms=["HS256"])
    return claims


def test_a_token_of_a_fast_clock_is_valid_at_once() -> None:
    exp = int(time.time()) + 6 * 3600
    token = sign({"iss": "key", "nbf": exp - 100, "exp": exp, "video": {"roomList": True}})

    assert read(without_beginning(token)) == {"iss": "key", "exp": exp, "video": {"roomList": True}}


def test_a_token_without_nbf_is_unchanged() -> None:
    token = sign({"iss": "key", "exp": 1})

    assert without_beginning(token) is token


async def test_requests_are_sent_once_with_tokens_without_nbf(settings: Settings) -> None:
    sent_tokens: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        sent_tokens.append(request.headers["Authorization"])
        return web.Response(body=b"")

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    async with TestServer(app) as server:
        settings.LIVEKIT_URL = str(server.make_url("")).rstrip("/")
        async with session() as livekit:
            rooms = await list_rooms(livekit)

    assert rooms == []
    [authorization] = sent_tokens
    claims = read(authorization.removeprefix("Bearer "))
    assert set(claims) >= {"exp", "iss", "video"}
    assert "nbf" not in claims
