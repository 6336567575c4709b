"""LiveKit's HTTP door: tokens first, then Twirp; and the faults that strike CreateSIPParticipant."""

import asyncio
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web
from livekit.protocol import sip

from sandbox.clock import Clock
from sandbox.config import Config
from sandbox.faults import Faults
from sandbox.livekit.access_tokens import BadTokenError, Grants, read_token
from sandbox.livekit.methods import CREATE_SIP_PARTICIPANT
from sandbox.livekit.sip_service import SipService, info
from sandbox.livekit.twirp import (
    DENIED,
    Method,
    NoAnswerError,
    TwirpError,
    answer,
    bad_route,
    decode,
    encode,
    rpc_error,
)

TOKEN_LEEWAY = 60.0  # simulated
MAX_BODY = 10 * 1024 * 1024


@dataclass
class LiveKitApi:
    config: Config
    clock: Clock
    faults: Faults
    sip: SipService
    methods: Mapping[str, Method]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Any request under /twirp/."""
        path = request.match_info["path"]
        if (request.content_length or 0) > MAX_BODY:
            return web.Response(status=413, text="request body too large")
        try:
            if path == CREATE_SIP_PARTICIPANT:
                return await self._dial(request)
            return await self._plain(request, path)
        except BadTokenError as error:
            return web.Response(status=401, text=str(error))
        except TwirpError as error:
            return error.response()
        except NoAnswerError:
            return hang_up_on(request)

    def _grants(self, request: web.Request) -> Grants:
        return read_token(
            request.headers.get("Authorization"),
            key=self.config.api_key,
            secret=self.config.api_secret,
            leeway=self.clock.wall(TOKEN_LEEWAY),
        )

    async def _plain(self, request: web.Request, path: str) -> web.Response:
        grants = self._grants(request)
        method = self.methods.get(path)
        if method is None or request.method != "POST":
            raise bad_route(request)
        return await answer(request, method, grants)

    async def _dial(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.dial_fault()
        if fault == "refuse":
            return reset(request)
        if fault is None:
            return await self._plain(request, CREATE_SIP_PARTICIPANT)
        grants = self._grants(request)
        if fault == "error_before":
            raise rpc_error("unavailable", "no response from servers")
        message = sip.CreateSIPParticipantRequest()
        decode(await request.read(), request.content_type, message)
        if not grants.sip.get("call"):
            raise DENIED
        call = self.sip.dial(message)
        if fault == "error_after_dial":
            raise rpc_error("internal", "internal error")
        if fault == "drop_after_dial":
            return hang_up_on(request)
        await asyncio.sleep(self.faults.rates.hang_seconds)
        if message.wait_until_answered:
            await self.sip.wait_for_answer(call)
        return encode(info(call), request.content_type)


def hang_up_on(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def reset(request: web.Request) -> web.StreamResponse:
    """Close with a TCP reset."""
    if request.transport is not None:
        sock = request.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response()
