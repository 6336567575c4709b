"""The control API for tests and drills: plain JSON under /_sandbox
(docs/reference/api-contract.md §11).
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import orjson
from aiohttp import web
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from sandbox.faults import Faults, Rates, parse_rates, rates_as_json
from sandbox.listener import Listener
from sandbox.livekit.agent_dispatch import AgentDispatcher
from sandbox.livekit.calls import Calls
from sandbox.livekit.crash import Crashes, parse_crash
from sandbox.livekit.inbound import InboundCalls, UnmatchedCallError
from sandbox.livekit.rooms import Room, Rooms
from sandbox.livekit.twirp import TwirpError
from sandbox.livekit.versions import AGENTS_VERSION, SERVER_VERSION, SIP_VERSION
from sandbox.phones.behaviours import Phones, parse_behaviours
from sandbox.store import Row

T = TypeVar("T")
DIAL_KEYS = ("at", "number", "room", "identity", "caller_id", "trunk_id", "call_id")
CALL_KEYS = (*DIAL_KEYS, "status", "sip_status_code", "answered_at", "ended_at")
EXTRA_CALL_KEYS = ("direction", "dtmf", "provisional")


def json_response(value: Any, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")


async def read_json(request: web.Request) -> Any:
    """Return the decoded body; a missing one is an empty object.

    Raises HTTPBadRequest when it is not JSON.
    """
    try:
        return orjson.loads(await request.read() or b"{}")
    except orjson.JSONDecodeError:
        raise bad_request("malformed JSON") from None


def bad_request(detail: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(
        text=orjson.dumps({"detail": detail}).decode(), content_type="application/json"
    )


@dataclass
class Control:
    """The handlers of everything under /_sandbox except Twilio's account."""

    calls: Calls
    rooms: Rooms
    phones: Phones
    faults: Faults
    dispatcher: AgentDispatcher
    inbound: InboundCalls
    crashes: Crashes
    own_listener: Listener

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.get("/_sandbox", self.get_versions),
            web.post("/_sandbox/crash", self.post_crash),
            web.get("/_sandbox/dials", self.list_dials),
            web.delete("/_sandbox/dials", self.clear_dials),
            web.get("/_sandbox/calls", self.list_calls),
            web.get("/_sandbox/rooms", self.list_rooms),
            web.get("/_sandbox/faults", self.get_faults),
            web.put("/_sandbox/faults", self.put_faults),
            web.delete("/_sandbox/faults", self.clear_faults),
            web.put("/_sandbox/behaviours", self.put_behaviours),
            web.delete("/_sandbox/behaviours", self.clear_behaviours),
            web.post("/_sandbox/inbound", self.post_inbound),
            web.put("/_sandbox/agent", self.put_agent),
        ]

    async def get_versions(self, request: web.Request) -> web.Response:
        """Say which versions of LiveKit are played, how fast, which processes are down, and where
        this is answered even when LiveKit's port is closed.
        """
        outage, agent = self.crashes.outage, self.dispatcher.agent_online
        down = {"server": outage.server_is_down, "sip": outage.sip_is_down, "agents": not agent}
        return json_response(
            {
                "livekit_version": SERVER_VERSION,
                "sip_version": SIP_VERSION,
                "agents_version": AGENTS_VERSION,
                "speed": self.crashes.clock.speed,
                "down": [name for name, is_down in down.items() if is_down],
                "control_url": f"{self.own_listener.url}/_sandbox",
            }
        )

    async def post_crash(self, request: web.Request) -> web.Response:
        """`{what, down_seconds, stale, refuse}` kills a part of LiveKit, which comes back later.

        Raises HTTPBadRequest when the body is invalid; nothing dies then.
        """
        crash = parse_or_bad_request(parse_crash, await read_json(request))
        await self.crashes.cause(crash, spare=request.transport)
        response = json_response(asdict(crash))
        if crash.refuse:
            # The next request must find the port closed, too.
            response.force_close()
        return response

    async def list_dials(self, request: web.Request) -> web.Response:
        return json_response([_pick(row, DIAL_KEYS) for row in self.calls.dials()])

    async def clear_dials(self, request: web.Request) -> web.Response:
        self.calls.clear_dials()
        return json_response({"detail": "Dial log cleared"})

    async def list_calls(self, request: web.Request) -> web.Response:
        """`?extra=1` adds the fields that the documented shape does not have."""
        keys = (*CALL_KEYS, *EXTRA_CALL_KEYS) if request.query.get("extra") else CALL_KEYS
        return json_response([_pick(row, keys) for row in self.calls.rows()])

    async def list_rooms(self, request: web.Request) -> web.Response:
        return json_response([_room_as_json(room) for room in self.rooms.rooms.values()])

    async def get_faults(self, request: web.Request) -> web.Response:
        return json_response(rates_as_json(self.faults.rates))

    async def put_faults(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        self.faults.set_rates(parse_or_bad_request(parse_rates, body))
        return json_response(rates_as_json(self.faults.rates))

    async def clear_faults(self, request: web.Request) -> web.Response:
        self.faults.set_rates(Rates())
        return json_response(rates_as_json(self.faults.rates))

    async def put_behaviours(self, request: web.Request) -> web.Response:
        """Replace all behaviours: `{"+1…": {…}}`, or a list of them for one call after the other.
        Other numbers follow the table again.

        Raises HTTPBadRequest when one is invalid; nothing changes then.
        """
        body = await read_json(request)
        if not isinstance(body, dict):
            raise bad_request("an object is expected")
        self.phones.behaviours = {
            number: parse_or_bad_request(parse_behaviours, behaviour)
            for number, behaviour in body.items()
        }
        return json_response(body)

    async def clear_behaviours(self, request: web.Request) -> web.Response:
        self.phones.behaviours = {}
        return json_response({})

    async def put_agent(self, request: web.Request) -> web.Response:
        """`{"online": false}` stops the sandbox's own agent from accepting jobs.

        Raises HTTPBadRequest when the body is another one.
        """
        body = await read_json(request)
        if not isinstance(body, dict) or not isinstance(body.get("online"), bool):
            raise bad_request("online must be true or false")
        self.dispatcher.agent_online = body["online"]
        return json_response({"online": self.dispatcher.agent_online})

    async def post_inbound(self, request: web.Request) -> web.Response:
        """`{from, to}` starts an inbound call, which rings when this returns.

        Without `from` the caller's number is hidden. Raises HTTPBadRequest without `to`.
        """
        body = await read_json(request)
        if not isinstance(body, dict) or not body.get("to"):
            raise bad_request("to is missing")
        caller = str(body.get("from") or "anonymous")
        outage = self.crashes.outage
        if outage.server_is_down or outage.sip_is_down:
            return json_response({"detail": "No answer", "sip_status_code": None}, status=503)
        try:
            call = self.inbound.start(
                caller=caller, called=str(body["to"]), pin=str(body.get("pin") or "")
            )
        except UnmatchedCallError as error:
            return json_response({"detail": str(error), "sip_status_code": 404}, status=404)
        except TwirpError as error:
            return json_response({"detail": error.msg, "sip_status_code": 503}, status=503)
        return json_response(_pick(call.row, CALL_KEYS), status=201)


def _pick(row: Row, keys: Iterable[str]) -> dict[str, Any]:
    return {key: row.get(key) for key in keys}


def _room_as_json(room: Room) -> dict[str, Any]:
    participants = [_as_dict(participant.info) for participant in room.participants.values()]
    return {"room": _as_dict(room.info), "data": list(room.data), "participants": participants}


def _as_dict(message: Message) -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True)


def parse_or_bad_request(parse: Callable[[Any], T], body: Any) -> T:
    """Return the parsed body.

    Raises HTTPBadRequest with the parser's sentence when it is invalid.
    """
    try:
        return parse(body)
    except (ValueError, TypeError) as error:
        raise bad_request(str(error)) from None
