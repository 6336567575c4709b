"""Access tokens and grants: livekit-api's own tokens, and invalid ones."""

from datetime import timedelta
from typing import Any

import jwt
import pytest
import requests
from livekit import api

from tests import sandbox_server
from tests.sandbox.clients import livekit
from tests.sandbox_server import RunningSandbox


def token(box: RunningSandbox, *, ttl: float = 60, secret: str = "", **grants: Any) -> str:
    made = api.AccessToken(box.api_key, secret or box.api_secret).with_grants(
        api.VideoGrants(**grants)
    )
    return str(made.with_ttl(timedelta(seconds=ttl)).to_jwt())


def post(
    box: RunningSandbox, method: str, authorization: str | None, body: object = None
) -> requests.Response:
    headers = {"Authorization": authorization} if authorization else {}
    return requests.post(
        f"{box.url}/twirp/livekit.{method}", json=body or {}, headers=headers, timeout=5
    )


def test_token_with_the_grant_is_accepted() -> None:
    with sandbox_server.start() as box:
        response = post(box, "RoomService/ListRooms", f"Bearer {token(box, room_list=True)}")

    assert (response.status_code, response.json()) == (200, {"rooms": []})


def test_wrong_grant_is_unauthenticated() -> None:
    with sandbox_server.start() as box:
        response = post(box, "RoomService/ListRooms", f"Bearer {token(box, room_create=True)}")

    assert (response.status_code, response.json()) == (
        401,
        {"code": "unauthenticated", "msg": "permissions denied"},
    )


def test_missing_token_is_unauthenticated() -> None:
    with sandbox_server.start() as box:
        response = post(box, "RoomService/ListRooms", None)

    assert (response.status_code, response.json()) == (
        401,
        {"code": "unauthenticated", "msg": "permissions denied"},
    )


def test_grant_for_another_room_is_refused() -> None:
    with sandbox_server.start() as box:
        bearer = f"Bearer {token(box, room_admin=True, room='mine')}"
        response = post(box, "RoomService/ListParticipants", bearer, {"room": "yours"})

    assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")


async def test_wrong_secret_is_answered_in_plain_text() -> None:
    with sandbox_server.start() as box:
        async with livekit(box, api_secret="another-secret-that-is-long-enough-for-hs256") as lk:
            with pytest.raises(api.ServerError) as error:
                await lk.room.list_rooms(api.ListRoomsRequest())
        response = post(
            box, "RoomService/ListRooms", f"Bearer {token(box, secret='x' * 40, room_list=True)}"
        )

    assert (error.value.status, error.value.code, error.value.message) == (401, "unknown", "")
    assert (response.status_code, response.text) == (
        401,
        "invalid authorization token: signature is invalid",
    )


async def test_unknown_key_is_answered_in_plain_text() -> None:
    with sandbox_server.start() as box:
        unknown = jwt.encode({"iss": "nobody", "exp": 4_000_000_000}, box.api_secret)
        response = post(box, "RoomService/ListRooms", f"Bearer {unknown}")

    assert (response.status_code, response.text) == (401, "invalid API key")


@pytest.mark.parametrize("junk", ["Bearer x", "Bearer a.b.c", "Bearer e30.e30.", "Basic eDp5", "x"])
def test_malformed_token_is_401(junk: str) -> None:
    with sandbox_server.start() as box:
        response = post(box, "RoomService/ListRooms", junk)

    assert response.status_code == 401


def test_token_without_expiry_or_with_another_algorithm_is_refused() -> None:
    with sandbox_server.start() as box:
        eternal = jwt.encode({"iss": box.api_key, "video": {"roomList": True}}, box.api_secret)
        claims = {"iss": box.api_key, "exp": 4_000_000_000, "video": {"roomList": True}}
        other = jwt.encode(claims, box.api_secret, algorithm="HS384")
        unsigned = jwt.encode(claims, "", algorithm="none")

        statuses = [
            post(box, "RoomService/ListRooms", f"Bearer {t}").status_code
            for t in (eternal, other, unsigned)
        ]

    assert statuses == [401, 401, 401]


@pytest.mark.parametrize(("expired_since", "status"), [(30, 401), (2, 200)])
def test_leeway_is_sixty_simulated_seconds(expired_since: float, status: int) -> None:
    with sandbox_server.start(speed=6) as box:  # sixty simulated seconds take ten
        bearer = f"Bearer {token(box, ttl=-expired_since, room_list=True)}"
        response = post(box, "RoomService/ListRooms", bearer)

    assert response.status_code == status


def test_unknown_paths_and_methods_are_bad_routes() -> None:
    with sandbox_server.start() as box:
        bearer = {"Authorization": f"Bearer {token(box)}"}
        unknown = requests.post(
            f"{box.url}/twirp/livekit.SIP/Nothing", json={}, headers=bearer, timeout=5
        )
        verb = requests.get(
            f"{box.url}/twirp/livekit.RoomService/ListRooms", headers=bearer, timeout=5
        )

    assert (unknown.status_code, unknown.json()) == (
        404,
        {
            "code": "bad_route",
            "msg": 'no handler for path "/twirp/livekit.SIP/Nothing"',
            "meta": {"twirp_invalid_route": "POST /twirp/livekit.SIP/Nothing"},
        },
    )
    assert (verb.status_code, verb.json()["msg"]) == (
        404,
        'unsupported method "GET" (only POST is allowed)',
    )


def test_invalid_protobuf_is_malformed() -> None:
    with sandbox_server.start() as box:
        headers = {
            "Authorization": f"Bearer {token(box, room_list=True)}",
            "Content-Type": "application/protobuf",
        }
        response = requests.post(
            f"{box.url}/twirp/livekit.RoomService/ListRooms",
            data=b"\xff\xff\xff",
            headers=headers,
            timeout=5,
        )

    assert (response.status_code, response.json()) == (
        400,
        {"code": "malformed", "msg": "the protobuf request could not be decoded"},
    )


@pytest.mark.parametrize("claims", [{"sip": "all"}, {"video": ["roomList"]}, {"nbf": "now"}])
def test_claim_of_the_wrong_type_is_a_malformed_token(claims: dict[str, Any]) -> None:
    with sandbox_server.start() as box:
        signed = jwt.encode(
            {"iss": box.api_key, "exp": 4_000_000_000, **claims}, box.api_secret, algorithm="HS256"
        )
        response = post(box, "RoomService/ListRooms", f"Bearer {signed}")

    assert (response.status_code, response.text) == (
        401,
        "invalid authorization token: malformed token",
    )


def test_json_list_is_malformed() -> None:
    with sandbox_server.start() as box:
        response = post(box, "RoomService/ListRooms", f"Bearer {token(box, room_list=True)}", [1])

    assert (response.status_code, response.json()["code"]) == (400, "malformed")
