"""The sandbox put together: one aiohttp server, one event loop, one port."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from sandbox.agent.played import PlayedAgent
from sandbox.clock import Clock
from sandbox.config import Config
from sandbox.control import Control, json_response
from sandbox.faults import Faults
from sandbox.http_posts import Poster
from sandbox.livekit.agent_dispatch import AgentDispatcher
from sandbox.livekit.calls import Calls
from sandbox.livekit.crash import Crashes
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
from sandbox.livekit.outage import Outage
from sandbox.livekit.room_events import RoomEvents
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

MAX_OBJECT_BYTES = 64 * 1024 * 1024  # of an object in S3; LiveKit's own limit is lower


@dataclass
class Sandbox:
    """The parts of a running sandbox. Made by `start`, inside the loop that serves it."""

    config: Config
    store: Store
    session: aiohttp.ClientSession
    posters: tuple[Poster, ...]
    webhooks: Webhooks
    rooms: Rooms
    calls: Calls
    workers: Workers
    dispatcher: AgentDispatcher
    egress: Egress
    runner: web.AppRunner
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://{self.config.host}:{self.port}"

    async def wait_until_idle(self) -> None:
        """Wait until every report and webhook is delivered or dropped."""
        await self.dispatcher.wait_until_idle()
        await self.egress.wait_until_idle()
        await self.webhooks.wait_until_idle()

    async def stop(self) -> None:
        """Stop serving at once. Active calls are lost, as when a server dies."""
        await self.dispatcher.close()
        await self.workers.close()
        await self.calls.close()
        await self.egress.close()
        await self.webhooks.close()
        await self.runner.cleanup()
        for poster in self.posters:
            poster.close()
        await self.session.close()
        self.store.close()


async def start(config: Config) -> Sandbox:
    """Start a sandbox that listens on `config.port` (0 for any).

    Raises OSError when the port is in use, DataDirInUseError when the directory is.
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
        # On cancellation too: the directory's lock must not outlive a failed start.
        await sandbox.stop()
        raise
    sandbox.port = _listening_port(sandbox.runner)
    return sandbox


def _assemble(config: Config, store: Store, session: aiohttp.ClientSession) -> Sandbox:
    clock, faults, phones, outage = Clock(config.speed), Faults(), Phones(), Outage()
    # Two posters, so that a flood of events does not delay reports.
    reports, events = Poster(session), Poster(session)
    webhooks = Webhooks(config, faults, events, outage)
    rooms = Rooms(RoomEvents(webhooks), faults)
    calls = Calls(clock, rooms, store)
    egress = _start_egress(config, clock, store, rooms, calls, webhooks, session)
    workers = Workers(config, clock, rooms)
    played_agent = PlayedAgent(clock, rooms, calls, reports, faults, egress.record_for_agent)
    dispatcher = AgentDispatcher(config, clock, rooms, workers, played_agent.run)

    trunks = Trunks(store, clock)
    rules = DispatchRules(store, trunks)
    sip = SipService(clock, rooms, calls, trunks, phones, faults, outage)
    transfers = Transfers(clock, rooms, calls, phones)
    methods = {
        **room_methods(RoomService(rooms)),
        **dispatch_methods(dispatcher),
        **egress_methods(egress),
        **sip_methods(sip, transfers, trunks),
        **rule_methods(rules),
    }
    livekit = LiveKitApi(config, clock, faults, sip, methods, outage)
    inbound = InboundCalls(rooms, calls, rules)
    crashes = Crashes(
        clock, rooms, calls, webhooks, workers, dispatcher, played_agent, livekit, outage
    )
    routes = [
        *Control(calls, rooms, phones, faults, dispatcher, inbound, crashes).routes(),
        *_twilio_routes(config, store),
        *_s3_server(config, store).routes(),
        web.get("/", _health),
        web.get("/agent", workers.serve),
        web.route("*", "/twirp/{path:.*}", livekit.serve),
    ]
    posters = (reports, events)
    parts = (webhooks, rooms, calls, workers, dispatcher, egress)
    return Sandbox(config, store, session, posters, *parts, _runner(routes))


def _runner(routes: Iterable[web.RouteDef]) -> web.AppRunner:
    app = web.Application(client_max_size=MAX_OBJECT_BYTES)
    app.add_routes(routes)
    return web.AppRunner(app, access_log=None, shutdown_timeout=0.1)


def _start_egress(
    config: Config,
    clock: Clock,
    store: Store,
    rooms: Rooms,
    calls: Calls,
    webhooks: Webhooks,
    session: aiohttp.ClientSession,
) -> Egress:
    folder = config.data_dir / "recordings"
    egress = Egress(clock, store, rooms, webhooks, session, folder, agent_upload=config.s3)
    calls.on_answered.append(egress.start_sound)
    calls.on_ended.append(egress.end_sound)
    return egress


def _twilio_routes(config: Config, store: Store) -> Iterable[web.RouteDef]:
    account = Account(store, config.twilio_sid)
    api = TwilioApi(config.twilio_sid, config.twilio_token)
    numbers = PhoneNumbers(account)
    Api2010(account, numbers).add_to(api)
    TrunkingApi(account).add_to(api)
    return [*TwilioControl(account, numbers, api).routes(), *api.all_routes()]


def _s3_server(config: Config, store: Store) -> S3Server:
    bucket = config.s3.bucket if config.s3 else ""
    return S3Server(store, config.data_dir / "s3", config.s3_secrets, existing_bucket=bucket)


def _listening_port(runner: web.AppRunner) -> int:
    address: Any = runner.addresses[0]
    return int(address[1])


async def _health(request: web.Request) -> web.Response:
    return json_response({"status": "OK"})
