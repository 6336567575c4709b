"""LiveKit's trunks and dispatch rules, handled as one unit: the trunk configuration of a number.

`apply_trunks` makes LiveKit have exactly what a `TrunkConfig` describes, whatever is there already;
`find_trunks` returns what is there. All parts carry the configuration's tag as metadata: a create
whose answer was lost can only be found by its tag, because LiveKit gives the ids and accepts the
same outbound trunk twice (`docs/reference/protocols.md §1.4`).

Functions are synchronous, for requests in threads and for commands.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from telephony.clients.livekit.errors import SIP, livekit_errors
from telephony.clients.livekit.sdk import api, sip
from telephony.clients.livekit.session import LiveKit, run_in_session
from voiceops.core.errors import ProviderError

# G.722 samples at 16 kHz, and its SDP says 8 kHz all the same (RFC 3551, section 4.5.2).
CODEC_RATE_HERTZ = 8000
# After this time a request whose answer was lost has been carried out, or never will be.
LOST_REQUEST_SECONDS = 1.0


@dataclass(frozen=True)
class Outbound:
    """How calls leave: through this SIP address, from these numbers (E.164)."""

    address: str
    transport: str
    numbers: tuple[str, ...]
    auth_username: str = ""
    auth_password: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    codecs: tuple[str, ...] = ()  # the only ones permitted; empty leaves them to LiveKit


@dataclass(frozen=True)
class Inbound:
    """Which calls may come in: to these numbers, from these addresses if any are given."""

    numbers: tuple[str, ...]
    allowed_addresses: tuple[str, ...] = ()
    auth_username: str = ""
    auth_password: str = field(default="", repr=False)
    codecs: tuple[str, ...] = ()


@dataclass(frozen=True)
class InboundRoute:
    """Where an inbound call goes: a room of its own, to which we dispatch its agent later."""

    room_prefix: str
    attributes: tuple[tuple[str, str], ...] = ()  # of the caller's participant


@dataclass(frozen=True)
class TrunkConfig:
    """What LiveKit must have, and nothing else under the same tag.

    A route needs an inbound trunk.
    """

    tag: str
    name: str
    outbound: Outbound | None = None
    inbound: Inbound | None = None
    route: InboundRoute | None = None

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers of its trunks."""
        return next((part.numbers for part in (self.outbound, self.inbound) if part), ())


@dataclass(frozen=True)
class TrunkIds:
    """LiveKit's ids; empty for what the configuration does not have."""

    outbound_id: str = ""
    inbound_id: str = ""
    rule_id: str = ""


@dataclass(frozen=True)
class ExistingTrunks:
    """What LiveKit has under a tag: several of a kind after a create whose answer was lost."""

    outbound: Sequence[Any] = ()
    inbound: Sequence[Any] = ()
    rules: Sequence[Any] = ()

    def __bool__(self) -> bool:
        return bool(self.outbound or self.inbound or self.rules)


def apply_trunks(config: TrunkConfig) -> TrunkIds:
    """Create, change in place or delete until LiveKit has exactly this configuration.

    A change in place leaves calls that are up alone. Raises ProviderError.
    """
    return run_in_session(lambda livekit: _apply_trunks(livekit.api.sip, config))


def replace_trunks(before: TrunkConfig, after: TrunkConfig) -> TrunkIds:
    """Apply `after` in place of `before`, and `before` again when that fails half-way.

    When the return fails too, LiveKit differs from both, and `find_trunks` shows it. Raises
    ProviderError.
    """
    # With the numbers of both: parts made for one would not be found by those of the other.
    numbers = tuple({*before.numbers, *after.numbers})
    try:
        return run_in_session(lambda livekit: _apply_trunks(livekit.api.sip, after, numbers))
    except ProviderError:
        with suppress(ProviderError):
            run_in_session(lambda livekit: _apply_trunks(livekit.api.sip, before, numbers))
        raise


def remove_trunks(tag: str, numbers: Sequence[str], *, maybe_created: bool = False) -> None:
    """Delete everything under the tag; nothing there is fine. Raises ProviderError.

    With `maybe_created`, when the answer to a create was lost, it is done twice: LiveKit may still
    be busy creating.
    """

    async def remove(livekit: LiveKit) -> None:
        nothing = TrunkConfig(tag=tag, name="")
        await _apply_trunks(livekit.api.sip, nothing, numbers)
        if maybe_created:
            await asyncio.sleep(LOST_REQUEST_SECONDS)
            await _apply_trunks(livekit.api.sip, nothing, numbers)

    run_in_session(remove)


def find_trunks(tag: str, numbers: Sequence[str]) -> ExistingTrunks:
    """Return what LiveKit has under the tag, on these numbers. Raises ProviderError."""
    return run_in_session(lambda livekit: _find_trunks(livekit.api.sip, tag, numbers))


def find_all_trunks() -> ExistingTrunks:
    """Return every trunk and rule of the LiveKit project. Raises ProviderError."""
    return run_in_session(lambda livekit: _list(livekit.api.sip, ()))


def is_conflict(error: ProviderError) -> bool:
    """Return whether LiveKit refused an inbound trunk because another one has its number."""
    # By its text, because LiveKit gives every invalid argument the same code.
    cause = error.__cause__
    return isinstance(cause, api.ServerError) and "Conflicting inbound SIP Trunks" in cause.message


def outbound_info(config: TrunkConfig, wanted: Outbound, base: Any = None) -> Any:
    """Return the trunk as it should be.

    Settings of `base` that we do not manage stay: an operator may have made them at LiveKit.
    """
    info = _copy(base, sip.SIPOutboundTrunkInfo)
    info.name = config.name
    info.metadata = config.tag
    info.address = wanted.address
    info.transport = sip.SIPTransport.Value(f"SIP_TRANSPORT_{wanted.transport.upper()}")
    info.auth_username = wanted.auth_username
    info.auth_password = wanted.auth_password
    _set_list(info.numbers, wanted.numbers)
    # `update` only adds: headers that were taken away would stay.
    info.headers.clear()
    info.headers.update(dict(wanted.headers))
    _set_codecs(info, wanted.codecs)
    return info


def inbound_info(config: TrunkConfig, wanted: Inbound, base: Any = None) -> Any:
    """Return the trunk as it should be, on top of `base`."""
    info = _copy(base, sip.SIPInboundTrunkInfo)
    info.name = config.name
    info.metadata = config.tag
    info.auth_username = wanted.auth_username
    info.auth_password = wanted.auth_password
    _set_list(info.numbers, wanted.numbers)
    _set_list(info.allowed_addresses, wanted.allowed_addresses)
    _set_codecs(info, wanted.codecs)
    return info


def rule_info(config: TrunkConfig, wanted: InboundRoute, trunk_id: str, base: Any = None) -> Any:
    """Return the dispatch rule as it should be, on top of `base`."""
    info = _copy(base, sip.SIPDispatchRuleInfo)
    info.name = config.name
    info.metadata = config.tag
    _set_list(info.trunk_ids, [trunk_id])
    info.rule.Clear()
    info.rule.dispatch_rule_individual.room_prefix = wanted.room_prefix
    # We dispatch the agent when the call comes in; one named here would be a second agent.
    del info.room_config.agents[:]
    info.attributes.clear()
    info.attributes.update(dict(wanted.attributes))
    return info


async def _apply_trunks(service: Any, config: TrunkConfig, numbers: Sequence[str] = ()) -> TrunkIds:
    """Remove rules before trunks and add them after: a rule must not name a trunk that is gone."""
    found = await _find_trunks(service, config.tag, numbers or config.numbers)
    # The first of each kind is kept; others are duplicates from a create whose answer was lost.
    await _delete_rules(service, found.rules[1:] if config.route else found.rules)
    await _delete_trunks(service, found.inbound[1:] if config.inbound else found.inbound)
    await _delete_trunks(service, found.outbound[1:] if config.outbound else found.outbound)
    inbound_id = await _apply_inbound(service, config, found)
    outbound_id = await _apply_outbound(service, config, found)
    return TrunkIds(outbound_id, inbound_id, await _apply_rule(service, config, inbound_id, found))


async def _apply_inbound(service: Any, config: TrunkConfig, found: ExistingTrunks) -> str:
    if config.inbound is None:
        return ""
    existing = next(iter(found.inbound), None)
    wanted = inbound_info(config, config.inbound, existing)
    if wanted == existing:
        return str(existing.sip_trunk_id)
    async with livekit_errors(SIP):
        if existing is None:
            made = await service.create_inbound_trunk(
                api.CreateSIPInboundTrunkRequest(trunk=wanted)
            )
        else:
            made = await service.update_inbound_trunk(existing.sip_trunk_id, wanted)
    return str(made.sip_trunk_id)


async def _apply_outbound(service: Any, config: TrunkConfig, found: ExistingTrunks) -> str:
    if config.outbound is None:
        return ""
    existing = next(iter(found.outbound), None)
    wanted = outbound_info(config, config.outbound, existing)
    if wanted == existing:
        return str(existing.sip_trunk_id)
    async with livekit_errors(SIP):
        if existing is None:
            made = await service.create_outbound_trunk(
                api.CreateSIPOutboundTrunkRequest(trunk=wanted)
            )
        else:
            made = await service.update_outbound_trunk(existing.sip_trunk_id, wanted)
    return str(made.sip_trunk_id)


async def _apply_rule(
    service: Any, config: TrunkConfig, trunk_id: str, found: ExistingTrunks
) -> str:
    if config.route is None:
        return ""
    existing = next(iter(found.rules), None)
    wanted = rule_info(config, config.route, trunk_id, existing)
    if wanted == existing:
        return str(existing.sip_dispatch_rule_id)
    async with livekit_errors(SIP):
        if existing is None:
            made = await service.create_dispatch_rule(
                api.CreateSIPDispatchRuleRequest(dispatch_rule=wanted)
            )
        else:
            made = await service.update_dispatch_rule(existing.sip_dispatch_rule_id, wanted)
    return str(made.sip_dispatch_rule_id)


async def _find_trunks(service: Any, tag: str, numbers: Sequence[str]) -> ExistingTrunks:
    found = await _list(service, numbers)
    return ExistingTrunks(
        outbound=_tagged(found.outbound, tag),
        inbound=_tagged(found.inbound, tag),
        rules=_tagged(found.rules, tag),
    )


def _tagged(items: Sequence[Any], tag: str) -> tuple[Any, ...]:
    return tuple(item for item in items if item.metadata == tag)


async def _list(service: Any, numbers: Sequence[str]) -> ExistingTrunks:
    """Return the trunks on one of the numbers (all trunks when none is given), and all rules.

    LiveKit Cloud lists empty items too; they are left out.
    """
    async with livekit_errors(SIP):
        outbound = await service.list_outbound_trunk(
            api.ListSIPOutboundTrunkRequest(numbers=numbers)
        )
    async with livekit_errors(SIP):
        inbound = await service.list_inbound_trunk(api.ListSIPInboundTrunkRequest(numbers=numbers))
    async with livekit_errors(SIP):
        rules = await service.list_dispatch_rule(api.ListSIPDispatchRuleRequest())
    return ExistingTrunks(
        tuple(trunk for trunk in outbound.items if trunk.sip_trunk_id),
        tuple(trunk for trunk in inbound.items if trunk.sip_trunk_id),
        tuple(rule for rule in rules.items if rule.sip_dispatch_rule_id),
    )


async def _delete_rules(service: Any, rules: Sequence[Any]) -> None:
    for rule in rules:
        request = api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=rule.sip_dispatch_rule_id)
        async with livekit_errors(SIP):
            try:
                await service.delete_dispatch_rule(request)
            except api.ServerError as error:
                # Unlike deleting a trunk, deleting a rule twice is an error at LiveKit.
                if error.status != 404:
                    raise


async def _delete_trunks(service: Any, trunks: Sequence[Any]) -> None:
    for trunk in trunks:
        async with livekit_errors(SIP):
            await service.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=trunk.sip_trunk_id))


def _set_codecs(info: Any, names: Sequence[str]) -> None:
    """Permit only these codecs, or end a restriction of ours; keeps what else the media has."""
    if not names and not info.media.only_listed_codecs:
        return
    del info.media.codecs[:]
    info.media.only_listed_codecs = bool(names)
    info.media.codecs.extend(sip.SIPCodec(name=name, rate=CODEC_RATE_HERTZ) for name in names)
    if info.media == sip.SIPMediaConfig():
        info.ClearField("media")


def _copy(base: Any, kind: Any) -> Any:
    info = kind()
    if base is not None:
        info.CopyFrom(base)
    return info


def _set_list(values: Any, wanted: Sequence[str]) -> None:
    del values[:]
    values.extend(wanted)
