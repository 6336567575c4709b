"""The calls of the intake benchmark, and what LiveKit and the agents post about them.

The kinds, the bodies' parts and their lengths are those recorded from a real LiveKit
(`docs/reference/real-livekit.md §4`).
"""

import base64
import hashlib
import itertools
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt
import orjson
from django.conf import settings
from django.utils import timezone

from accounts.models import Workspace
from agents.models import Agent
from telephony.domain import report_tokens
from telephony.models import Call, Stage
from voiceops.core.ids import uuid7

OPEN_CALLS = 200  # whose events come mixed
MIN_OPEN_CALLS = 64  # several times the connections
ANSWERED_CALLS_SHARE = 0.6
REPEATED_WEBHOOKS_SHARE = 0.1  # of the webhooks
SWAPPED_EVENTS_SHARE = 0.1  # of the webhooks, with what precedes or follows them
WEBHOOK_PATH = "/livekit/webhook"
SIGNS_OF_LIFE = 4  # of an answered call
EVENT_TOKEN_SECONDS = 3600
ROOM_PARTS = {
    "emptyTimeout": 240,
    "departureTimeout": 20,
    "maxParticipants": 1,
    "turnPassword": "x" * 44,
    "enabledCodecs": [
        {"mime": f"{kind}/{name}"}
        for kind, name in (
            *(("audio", name) for name in ("opus", "red", "PCMU", "PCMA")),
            *(("video", name) for name in ("VP8", "H264", "VP9", "AV1", "rtx", "H265")),
        )
    ],
}
PARTICIPANT_PARTS = {
    "permission": {"canSubscribe": True, "canPublish": True, "canPublishData": True},
    "version": 3,
    "isPublisher": True,
}
SPOKEN_SENTENCE = "Could we meet on Thursday at ten instead of Wednesday at nine?"


@dataclass(frozen=True)
class Post:
    """One request: what wrk needs to send it."""

    path: str
    content_type: str
    authorization: str
    body: bytes

    def line(self) -> bytes:
        head = f"{self.path}\t{self.content_type}\t{self.authorization}\t"
        return head.encode() + self.body + b"\n"


def create_calls(count: int) -> list[Call]:
    """Calls whose dial has been sent a moment ago; their dispatcher waits for the answers."""
    workspace = Workspace.unscoped.create(name="Bench")
    agent = Agent.unscoped.create(workspace=workspace, name="Agent", published_version=1)
    version = agent.create_version()
    now = timezone.now()
    return Call.unscoped.bulk_create(
        Call(
            pk=pk, workspace=workspace, agent=agent, agent_version=version, room=f"vo-{pk}",
            from_number="+12025550100", to_number="+12025550186", stage=Stage.INTENT,
            intent_at=now, lease_expires_at=now + timedelta(hours=1),
        )
        for pk in (uuid7() for _ in range(count))
    )  # fmt: skip


def posts_about(calls: Sequence[Call], seed: int) -> list[Post]:
    """Return every event of the calls, those of many calls mixed, some repeated or in disorder.

    The same seed gives the same events for calls in the same places.
    """
    chance = random.Random(seed)  # noqa: S311 not a secret
    waiting = (_life(call, chance) for call in calls)
    lives = list(itertools.islice(waiting, OPEN_CALLS))
    posts = []
    while lives:
        # In turns: two events of one call that are under way at once would arrive in any order.
        for life in list(lives):
            post = next(life, None)
            if post is not None:
                posts.append(post)
                continue
            lives.remove(life)
            lives += itertools.islice(waiting, 1)
        if len(calls) > OPEN_CALLS and len(lives) < MIN_OPEN_CALLS:
            break  # for the same reason, the last calls stay as far as they have come
    return posts


def _life(call: Call, chance: random.Random) -> Iterator[Post]:
    """The events of one call: in order but for some neighbours, and some webhooks twice."""
    is_answered = chance.random() < ANSWERED_CALLS_SHARE
    hooks = [_webhook(call, name, parts) for name, parts in _webhooks(call, is_answered)]
    events = [*answered_reports()] if is_answered else [*_unanswered_reports()]
    reports = [_report(call, each) for each in events]
    first = (*hooks[:2], reports[0], *hooks[2:4])
    posts = [*first, *reports[1:-1], *hooks[4:6], reports[-1], *hooks[6:]]
    for at in range(len(posts) - 1):
        # An agent sends its reports one after another.
        has_webhook = any(each.path == WEBHOOK_PATH for each in posts[at : at + 2])
        if has_webhook and chance.random() < SWAPPED_EVENTS_SHARE:
            posts[at : at + 2] = posts[at + 1], posts[at]
    for post in posts:
        yield post
        if post.path == WEBHOOK_PATH and chance.random() < REPEATED_WEBHOOKS_SHARE:
            yield post


def _webhooks(call: Call, is_answered: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    agent = {"sid": "PA_1", "identity": "agent-AJ_1", "kind": "AGENT", **PARTICIPANT_PARTS}
    attributes = {"sip.callID": "SCL_1", "sip.trunkID": "ST_1", "sip.callStatus": "dialing"}
    callee = {
        "sid": "PA_2",
        "identity": call.callee_identity,
        "kind": "SIP",
        "attributes": attributes,
        **PARTICIPANT_PARTS,
    }
    track = {"participant": {"sid": "PA_2", "identity": call.callee_identity}}
    gone = {**callee, "disconnectReason": "USER_UNAVAILABLE"}
    if is_answered:
        gone["attributes"] = {**attributes, "sip.callStatus": "hangup", "sip.callTag": "as5"}
        gone["disconnectReason"] = "CLIENT_INITIATED"
    yield "room_started", {}
    yield "participant_joined", {"participant": agent}
    yield "participant_joined", {"participant": callee}
    yield "track_published", track
    yield "track_unpublished", track
    yield "participant_left", {"participant": gone}
    yield "participant_left", {"participant": agent}
    yield "room_finished", {"roomEndReason": "ROOM_END_API_DELETE"}


def _unanswered_reports() -> Iterator[list[dict[str, Any]]]:
    yield [_event("agent_joined")]
    yield [_event("callee_joined")]
    yield [_event("agent_alive", callee_status="ringing")]
    yield [_event("agent_alive")]


def answered_reports() -> Iterator[list[dict[str, Any]]]:
    yield from _unanswered_reports()
    yield [_event("callee_answered")]
    yield [_event("detected", kind="human"), _turn("agent"), _turn("user")]
    for _ in range(SIGNS_OF_LIFE):
        yield [_event("agent_alive")]
    yield [_turn("agent"), _turn("user"), _turn("agent")]
    yield [
        _event("usage", llm={"input_tokens": 330, "output_tokens": 41}),
        _event("callee_left", reason="callee_hangup"),
        _event("ended", reason="callee_hangup"),
    ]
    yield [_event("analysis", summary=SPOKEN_SENTENCE, fields={"booked": True})]


def _turn(role: str) -> dict[str, Any]:
    return _event("turn", role=role, text=SPOKEN_SENTENCE, started_at=timezone.now().isoformat())


def _event(type_name: str, **data: Any) -> dict[str, Any]:
    return {"id": uuid7().hex, "type": type_name, "at": timezone.now().isoformat(), **data}


def _webhook(call: Call, name: str, parts: dict[str, Any]) -> Post:
    body = orjson.dumps(
        {
            "event": name,
            "id": f"EV_{uuid7().hex}",
            "createdAt": str(int(time.time())),
            "room": {"sid": "RM_1", "name": call.room, **ROOM_PARTS},
            **parts,
        }
    )
    claims = {
        "iss": settings.LIVEKIT_API_KEY,
        "exp": int(time.time()) + EVENT_TOKEN_SECONDS,
        "sha256": base64.b64encode(hashlib.sha256(body).digest()).decode(),
    }
    token = jwt.encode(claims, settings.LIVEKIT_API_SECRET, algorithm="HS256")
    return Post(WEBHOOK_PATH, "application/webhook+json", token, body)


def _report(call: Call, events: list[dict[str, Any]]) -> Post:
    token = f"Bearer {report_tokens.mint(call.pk)}"
    body = orjson.dumps({"events": events})
    return Post(f"/calls/{call.pk}/report", "application/json", token, body)
