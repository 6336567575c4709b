"""LiveKit's HTTP API: checks tokens, runs Twirp methods, injects faults of CreateSIPParticipant."""

import asyncio
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web
from livekit.protocol import sip

from sandbox.clock import Clock
from sandbox.config import Config
from sandbox.faults import Faults
from sandbox.livekit.access_tokens import (
    TOKEN_LEEWAY_SECONDS,
    Grants,
    InvalidTokenError,
    verify_token,
)
from sandbox.livekit.methods import CREATE_SIP_PARTICIPANT
from sandbox.livekit.outage import Outage
from sandbox.livekit.sip_service import SipService, participant_info
from sandbox.livekit.twirp import (
    PERMISSIONS_DENIED,
    Method,
    NoAnswerError,
    NoRespondersError,
    TwirpError,
    bad_route,
    decode,
    encode,
    run_method,
)

MAX_REQUEST_BYTES = 10 * 1024 * 1024
DISCONNECT_POLL_SECONDS = 0.1


@dataclass
class LiveKitApi:
    """Everything under /twirp/."""

    config: Config
    clock: Clock
    faults: Faults
    sip: SipService
    methods: Mapping[str, Method]
    outage: Outage
    # By object id, because requests have no hash.
    _in_flight: dict[int, web.Request] = field(default_factory=dict)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Handle a request under /twirp/."""
        if self.outage.server_is_down:
            return reset_connection(request)
        self._in_flight[id(request)] = request
        try:
            return await self._serve(request)
        finally:
            del self._in_flight[id(request)]

    def drop_requests(self) -> None:
        """Close the connection of every request in progress, as a server that dies does."""
        for request in self._in_flight.values():
            abort_connection(request)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        if (request.content_length or 0) > MAX_REQUEST_BYTES:
            return web.Response(status=413, text="request body too large")
        try:
            if path == CREATE_SIP_PARTICIPANT:
                return await self._serve_dial(request)
            return await self._serve_method(request, path)
        except InvalidTokenError as error:
            return web.Response(status=401, text=str(error))
        except TwirpError as error:
            return error.response()
        except NoAnswerError:
            return abort_connection(request)
        except NoRespondersError:
            while request.transport is not None and not request.transport.is_closing():
                await asyncio.sleep(DISCONNECT_POLL_SECONDS)
            return web.Response()

    def _grants(self, request: web.Request) -> Grants:
        return verify_token(
            request.headers.get("Authorization"),
            key=self.config.api_key,
            secret=self.config.api_secret,
            leeway=self.clock.to_wall_seconds(TOKEN_LEEWAY_SECONDS),
        )

    async def _serve_method(self, request: web.Request, path: str) -> web.Response:
        grants = self._grants(request)
        method = self.methods.get(path)
        if method is None or request.method != "POST":
            raise bad_route(request)
        return await run_method(request, method, grants)

    async def _serve_dial(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.draw_dial_fault()
        # Before the body is read, so that the client sees a request that was never accepted.
        if fault == "refuse":
            return reset_connection(request)
        if fault is None:
            return await self._serve_method(request, CREATE_SIP_PARTICIPANT)
        return await self._serve_dial_with_fault(request, fault)

    async def _serve_dial_with_fault(self, request: web.Request, fault: str) -> web.StreamResponse:
        grants = self._grants(request)
        if fault == "error_before":
            raise TwirpError("unavailable", "no response from servers")
        message = sip.CreateSIPParticipantRequest()
        decode(await request.read(), request.content_type, message)
        if not grants.sip.get("call"):
            raise PERMISSIONS_DENIED
        # The other faults come after the dial: the phone rings, and the answer is wrong or missing.
        call = self.sip.dial(message)
        if fault == "error_after_dial":
            raise TwirpError("internal", "internal error")
        if fault == "drop_after_dial":
            return abort_connection(request)
        await asyncio.sleep(self.faults.rates.hang_seconds)
        if message.wait_until_answered:
            await self.sip.wait_for_answer(call)
        return encode(participant_info(call), request.content_type)


def abort_connection(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer. The response returned is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def reset_connection(request: web.Request) -> web.StreamResponse:
    """Close the connection with a TCP reset. The response returned is never sent."""
    if request.transport is not None:
        # With a linger time of 0, closing the socket sends RST instead of FIN.
        sock = request.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response()
