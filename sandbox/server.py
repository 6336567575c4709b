"""The sandbox put together: one event loop, one port, and a second one for control alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from sandbox.agent.played import PlayedAgent
from sandbox.clock import Clock
from sandbox.config import Config
from sandbox.control import Control, json_response
from sandbox.faults import Faults
from sandbox.http_posts import Poster
from sandbox.listener import Listener
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
from sandbox.twilio.pricing import PricingApi
from sandbox.twilio.trunking import TrunkingApi

CONTROL_PATH = "/_sandbox"


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
    listener: Listener
    control_listener: Listener
    routes: Sequence[web.RouteDef]

    @property
    def port(self) -> int:
        return self.listener.port

    @property
    def url(self) -> str:
        return self.listener.url

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
        await self.listener.stop()
        await self.control_listener.stop()
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
        under_control = [each for each in sandbox.routes if each.path.startswith(CONTROL_PATH)]
        await sandbox.control_listener.start(under_control)
        await sandbox.listener.start(sandbox.routes)
    except BaseException:
        # On cancellation too: the directory's lock must not outlive a failed start.
        await sandbox.stop()
        raise
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
    sip = SipService(clock, rooms, calls, trunks, phones, faults, outage, not config.agent_online)
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
    listeners = (Listener(config.host, config.port), Listener(config.host, config.control_port))
    livekit_parts = (clock, rooms, calls, webhooks, workers, dispatcher, played_agent, livekit)
    crashes = Crashes(*livekit_parts, outage, listeners[0])
    control = Control(calls, rooms, phones, faults, dispatcher, inbound, crashes, listeners[1])
    routes = [
        *control.routes(),
        *_twilio_routes(config, store),
        *_s3_server(config, store).routes(),
        web.get("/", _health),
        web.get("/agent", workers.serve),
        web.route("*", "/twirp/{path:.*}", livekit.serve),
    ]
    posters = (reports, events)
    parts = (webhooks, rooms, calls, workers, dispatcher, egress)
    return Sandbox(config, store, session, posters, *parts, *listeners, routes)


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
    PricingApi().add_to(api)
    return [*TwilioControl(account, numbers, api).routes(), *api.all_routes()]


def _s3_server(config: Config, store: Store) -> S3Server:
    bucket = config.s3.bucket if config.s3 else ""
    return S3Server(store, config.data_dir / "s3", config.s3_secrets, existing_bucket=bucket)


async def _health(request: web.Request) -> web.Response:
    return json_response({"status": "OK"})
