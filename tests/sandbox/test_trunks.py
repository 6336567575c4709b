"""SIP trunks and dispatch rules, through livekit-api."""

from typing import Any

import pytest
from livekit import api

from tests import sandbox_server
from tests.sandbox.calling import invite, make_trunk
from tests.sandbox.clients import livekit

NUMBER = "+15551230000"


def inbound(**fields: Any) -> api.CreateSIPInboundTrunkRequest:
    return api.CreateSIPInboundTrunkRequest(trunk=api.SIPInboundTrunkInfo(**fields))


def outbound(**fields: Any) -> api.CreateSIPOutboundTrunkRequest:
    return api.CreateSIPOutboundTrunkRequest(trunk=api.SIPOutboundTrunkInfo(**fields))


def rule(**fields: Any) -> api.CreateSIPDispatchRuleRequest:
    individual = api.SIPDispatchRule(
        dispatch_rule_individual=api.SIPDispatchRuleIndividual(room_prefix="in")
    )
    return api.CreateSIPDispatchRuleRequest(
        dispatch_rule=api.SIPDispatchRuleInfo(**{"rule": individual, **fields})
    )


def details(error: Any) -> tuple[str, int, str]:
    return error.value.code, error.value.status, error.value.message


@pytest.mark.parametrize(
    ("trunk", "message"),
    [
        ({"address": "sip.example.com"}, "no trunk numbers specified"),
        ({"numbers": [NUMBER]}, "no outbound address specified"),
        (
            {"numbers": [NUMBER], "address": "sip:example.com"},
            "trunk address should be a hostname or IP, not SIP URI",
        ),
        (
            {"numbers": [NUMBER], "address": "example.com;transport=tcp"},
            "trunk address should not contain transport parameter",
        ),
        (
            {"numbers": [NUMBER], "address": "a.b", "sip_trunk_id": "ST_x"},
            "trunk id must not be set",
        ),
        (
            {"numbers": [NUMBER], "address": "a.b", "headers": {"Call-ID": "x"}},
            "header name Call-ID not supported",
        ),
    ],
)
async def test_invalid_outbound_trunk_is_refused_with_livekits_message(
    trunk: dict[str, Any], message: str
) -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            with pytest.raises(api.ServerError) as error:
                await lk.sip.create_outbound_trunk(outbound(**trunk))

    assert details(error) == ("invalid_argument", 400, message)


async def test_inbound_trunk_needs_protection() -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            with pytest.raises(api.ServerError) as error:
                await lk.sip.create_inbound_trunk(inbound(name="open"))

    message = (
        "for security, one of the fields must be set: "
        "AuthUsername+AuthPassword, AllowedAddresses or Numbers"
    )
    assert details(error) == ("invalid_argument", 400, message)


async def test_same_number_in_another_format_conflicts() -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            first = await lk.sip.create_inbound_trunk(inbound(numbers=[NUMBER]))
            with pytest.raises(api.ServerError) as error:
                await lk.sip.create_inbound_trunk(inbound(numbers=["1 (555) 123-0000"]))

    assert details(error) == (
        "invalid_argument",
        400,
        f'Conflicting inbound SIP Trunks: "<new>" and "{first.sip_trunk_id}", '
        'using the same number(s) ["1 (555) 123-0000"] without AllowedNumbers set',
    )


async def test_trunks_with_different_callers_can_share_a_number() -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            first = await lk.sip.create_inbound_trunk(
                inbound(numbers=[NUMBER], allowed_numbers=["+1202"])
            )
            await lk.sip.create_inbound_trunk(inbound(numbers=[NUMBER], allowed_numbers=["+1303"]))
            with pytest.raises(api.ServerError) as error:
                await lk.sip.create_inbound_trunk(
                    inbound(numbers=[NUMBER], allowed_numbers=["+1202"])
                )

    assert details(error)[2] == (
        f'Conflicting inbound SIP Trunks: "<new>" and "{first.sip_trunk_id}", '
        f'using the same number(s) ["{NUMBER}"] and AllowedNumber "+1202"'
    )


async def test_number_filter_includes_wildcard_trunks() -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            mine = await lk.sip.create_inbound_trunk(inbound(numbers=[NUMBER]))
            await lk.sip.create_inbound_trunk(inbound(numbers=["+15551239999"]))
            wildcard = await lk.sip.create_inbound_trunk(
                inbound(allowed_addresses=["192.0.2.0/24"])
            )
            found = await lk.sip.list_inbound_trunk(
                api.ListSIPInboundTrunkRequest(numbers=["15551230000"])
            )
            by_id = await lk.sip.list_inbound_trunk(
                api.ListSIPInboundTrunkRequest(trunk_ids=[mine.sip_trunk_id])
            )

    assert [t.sip_trunk_id for t in found.items] == [mine.sip_trunk_id, wildcard.sip_trunk_id]
    assert [t.sip_trunk_id for t in by_id.items] == [mine.sip_trunk_id]


async def test_trunk_can_be_updated_and_replaced() -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            made = await lk.sip.create_inbound_trunk(inbound(name="a", numbers=[NUMBER]))
            part = await lk.sip.update_inbound_trunk_fields(
                made.sip_trunk_id, name="b", numbers=api.ListUpdate(add=["+15551230001"])
            )
            whole = await lk.sip.update_inbound_trunk(
                made.sip_trunk_id, api.SIPInboundTrunkInfo(name="c", numbers=["+15551230002"])
            )
            with pytest.raises(api.ServerError) as error:
                await lk.sip.update_inbound_trunk_fields("ST_unknown", name="b")

    assert (part.name, list(part.numbers)) == ("b", [NUMBER, "+15551230001"])
    assert (whole.sip_trunk_id, whole.name, list(whole.numbers)) == (
        made.sip_trunk_id,
        "c",
        ["+15551230002"],
    )
    assert details(error) == ("not_found", 404, "requested sip trunk does not exist")


async def test_empty_list_update_is_refused() -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            with pytest.raises(api.ServerError) as error:
                await lk.sip.update_outbound_trunk_fields(trunk, numbers=api.ListUpdate())

    assert details(error) == ("invalid_argument", 400, "unsupported list update operation")


async def test_deleting_twice_is_allowed_for_trunks_but_not_for_rules() -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            for _ in range(2):
                deleted = await lk.sip.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=trunk))
            made = await lk.sip.create_dispatch_rule(rule())
            gone = await lk.sip.delete_dispatch_rule(
                api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=made.sip_dispatch_rule_id)
            )
            with pytest.raises(api.ServerError) as error:
                await lk.sip.delete_dispatch_rule(
                    api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=made.sip_dispatch_rule_id)
                )

    assert deleted.sip_trunk_id == trunk
    assert gone.sip_dispatch_rule_id == made.sip_dispatch_rule_id
    assert details(error) == ("not_found", 404, "requested sip dispatch rule does not exist")


async def test_rule_for_the_same_combination_conflicts() -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            first = await lk.sip.create_dispatch_rule(
                rule(name="first", trunk_ids=["ST_a"], numbers=[NUMBER])
            )
            await lk.sip.create_dispatch_rule(rule(trunk_ids=["ST_b"], numbers=[NUMBER]))
            with pytest.raises(api.ServerError) as error:
                await lk.sip.create_dispatch_rule(
                    rule(trunk_ids=["ST_a", "ST_c"], numbers=[NUMBER])
                )
            with pytest.raises(api.ServerError) as empty:
                await lk.sip.create_dispatch_rule(rule(rule=None))

    assert details(error) == (
        "invalid_argument",
        400,
        "Dispatch rule for the same trunk, inbound number, number, and PIN combination "
        f'already exists in dispatch rule "{first.sip_dispatch_rule_id}" "first"',
    )
    assert details(empty)[2] == "missing rule"


async def test_rule_can_be_updated_and_listed_by_trunk() -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            made = await lk.sip.create_dispatch_rule(rule(trunk_ids=["ST_a"]))
            changed = await lk.sip.update_dispatch_rule_fields(
                made.sip_dispatch_rule_id, name="new", attributes={"a": "b"}
            )
            mine = await lk.sip.list_dispatch_rule(
                api.ListSIPDispatchRuleRequest(trunk_ids=["ST_a"])
            )
            other = await lk.sip.list_dispatch_rule(
                api.ListSIPDispatchRuleRequest(trunk_ids=["ST_b"])
            )

    assert (changed.name, dict(changed.attributes), list(changed.trunk_ids)) == (
        "new",
        {"a": "b"},
        ["ST_a"],
    )
    assert ([r.name for r in mine.items], list(other.items)) == (["new"], [])


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"sip_trunk_id": ""}, "invalid_argument", "missing sip trunk id and sip number"),
        ({"sip_call_to": ""}, "invalid_argument", "missing sip callee number"),
        (
            {"sip_call_to": "a@b"},
            "invalid_argument",
            "SipCallTo should be a phone number or SIP user, not a full SIP URI",
        ),
        ({"room_name": ""}, "invalid_argument", "missing room name"),
        (
            {"display_name": "x" * 129},
            "invalid_argument",
            "DisplayName too long (max 128 characters)",
        ),
        ({"headers": {"From": "x"}}, "invalid_argument", "header name From not supported"),
        ({"sip_trunk_id": "ST_unknown"}, "not_found", "requested sip trunk does not exist"),
    ],
)
async def test_invalid_dial_is_refused_before_anything_is_sent(
    fields: dict[str, Any], code: str, message: str
) -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            with pytest.raises(api.ServerError) as error:
                await lk.sip.create_sip_participant(
                    invite(trunk, "+12025550101", **fields), timeout=10
                )
        dials, rooms = box.dials(), box.rooms()

    assert (error.value.code, error.value.message) == (code, message)
    assert type(error.value) is api.ServerError
    assert (dials, rooms) == ([], [])
