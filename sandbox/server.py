"""The sandbox put together: one aiohttp server, one event loop, one port."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from sandbox.clock import Clock
from sandbox.config import Config
from sandbox.control import Control, json_response
from sandbox.faults import Faults
from sandbox.http_posts import Poster
from sandbox.livekit.agent_dispatch import AgentDispatcher
from sandbox.livekit.calls import Calls
from sandbox.livekit.dispatch_rules import DispatchRules
from sandbox.livekit.egress import Egress
from sandbox.livekit.http_api import LiveKitApi
from sandbox.livekit.inbound import InboundCalls
from sandbox.livekit.methods import (
    dispatch_methods,
    egress_methods,
    room_methods,
    rule_methods,
    sip_methods,
)
from sandbox.livekit.room_service import RoomService
from sandbox.livekit.rooms import Rooms
from sandbox.livekit.sip_service import SipService
from sandbox.livekit.transfers import Transfers
from sandbox.livekit.trunks import Trunks
from sandbox.livekit.webhooks import Webhooks
from sandbox.livekit.workers import Workers
from sandbox.phones.behaviours import Phones
from sandbox.s3.server import S3Server
from sandbox.store import Store
from sandbox.twilio.account import Account
from sandbox.twilio.api_2010 import Api2010
from sandbox.twilio.control import TwilioControl
from sandbox.twilio.http_api import TwilioApi
from sandbox.twilio.phone_numbers import PhoneNumbers
from sandbox.twilio.trunking import TrunkingApi

MAX_UPLOAD_BYTES = 64 * 1024 * 1024  # an upload; LiveKit takes less


@dataclass
class Sandbox:
    """Everything one running sandbox consists of. Made by `start`, inside the loop that serves it."""

    config: Config
    store: Store
    session: aiohttp.ClientSession
    posters: tuple[Poster, ...]
    webhooks: Webhooks
    rooms: Rooms
    calls: Calls
    dispatching: AgentDispatcher
    egress: Egress
    runner: web.AppRunner
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://{self.config.host}:{self.port}"

    async def wait_until_idle(self) -> None:
        """Wait until every report and webhook is delivered or given up."""
        await self.dispatching.wait_until_idle()
        await self.egress.wait_until_idle()
        await self.webhooks.wait_until_idle()

    async def stop(self) -> None:
        """Stop serving at once; what is on the telephone is lost, as when a server dies."""
        await self.dispatching.close()
        await self.dispatching.workers.close()
        await self.calls.close()
        await self.egress.close()
        await self.webhooks.close()
        await self.runner.cleanup()
        for poster in self.posters:
            poster.close()
        await self.session.close()
        self.store.close()


async def start(config: Config) -> Sandbox:
    """Listen on `config.port` (0 for any). Raises OSError when it is taken, DataDirTakenError when
    the directory is.
    """
    store = Store(config.data_dir / "sandbox")
    session = aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=None)
    )
    sandbox = _assemble(config, store, session)
    try:
        await sandbox.runner.setup()
        site = web.TCPSite(sandbox.runner, config.host, config.port, backlog=1024)
        await site.start()
    except BaseException:
        await sandbox.stop()
        raise
    sandbox.port = listening_port(sandbox.runner)
    return sandbox


def _assemble(config: Config, store: Store, session: aiohttp.ClientSession) -> Sandbox:
    clock, faults, phones = Clock(config.speed), Faults(), Phones()
    reports, events = (
        Poster(session),
        Poster(session),
    )  # apart: a crowd of events holds up no report
    webhooks = Webhooks(config, faults, events)
    rooms = Rooms(webhooks)
    calls, trunks = Calls(clock, rooms, store), Trunks(store, clock)
    egress = Egress(
        clock,
        store,
        rooms,
        webhooks,
        session,
        config.data_dir / "recordings",
        agent_upload=config.s3,
    )
    calls.on_answered.append(egress.start_sound)
    calls.on_ended.append(egress.end_sound)
    workers = Workers(config, clock, rooms)
    dispatching = AgentDispatcher(
        config, clock, reports, faults, rooms, calls, workers, egress.record_for_agent
    )
    sip, rules = SipService(clock, rooms, calls, trunks, phones), DispatchRules(store, trunks)
    methods = {
        **room_methods(RoomService(rooms)),
        **dispatch_methods(dispatching),
        **egress_methods(egress),
        **sip_methods(sip, Transfers(clock, rooms, calls, phones), trunks),
        **rule_methods(rules),
    }
    livekit = LiveKitApi(config, clock, faults, sip, methods)
    app = web.Application(client_max_size=MAX_UPLOAD_BYTES)
    app.add_routes(
        Control(
            calls, rooms, phones, faults, dispatching, InboundCalls(rooms, calls, rules)
        ).routes()
    )
    app.add_routes(twilio_routes(config, store))
    app.add_routes(
        S3Server(
            store,
            config.data_dir / "s3",
            config.s3_secrets,
            ready=config.s3.bucket if config.s3 else "",
        ).routes()
    )
    app.add_routes([web.get("/", health), web.get("/agent", workers.serve)])
    app.add_routes([web.route("*", "/twirp/{path:.*}", livekit.serve)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    return Sandbox(
        config,
        store,
        session,
        (reports, events),
        webhooks,
        rooms,
        calls,
        dispatching,
        egress,
        runner,
    )


def twilio_routes(config: Config, store: Store) -> Iterable[web.RouteDef]:
    account, door = (
        Account(store, config.twilio_sid),
        TwilioApi(config.twilio_sid, config.twilio_token),
    )
    numbers = PhoneNumbers(account)
    Api2010(account, numbers).add_to(door)
    TrunkingApi(account).add_to(door)
    return [*TwilioControl(account, numbers, door).routes(), *door.all_routes()]


def listening_port(runner: web.AppRunner) -> int:
    address: Any = runner.addresses[0]
    return int(address[1])


async def health(request: web.Request) -> web.Response:
    return json_response({"status": "OK"})
