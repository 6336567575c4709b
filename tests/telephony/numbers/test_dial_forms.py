"""Trunks as carriers sell them: how they want numbers dialled, their headers and codecs."""

from typing import Any

import pytest

from accounts.models import AuditEntry, Workspace
from telephony.models import PhoneNumber
from tests import make
from tests.sandbox_server import RunningSandbox
from tests.telephony.numbers.livekit import everything
from tests.telephony.numbers.registration import SIP, body, invalid

MASK = "********"


def register(workspace: Workspace, **sip: Any) -> dict[str, Any]:
    response = make.client(workspace).post("/phone-numbers", body(sip={**SIP, **sip}))
    assert response.status_code == 201, response.content
    answer: dict[str, Any] = response.json()
    return answer


def test_the_form_of_a_trunk_is_stored_and_returned(ours: Workspace, box: RunningSandbox) -> None:
    number = register(
        ours,
        dial_format="national",
        dial_prefix="9",
        codecs=["PCMA", "G722"],
        headers={"X-Customer": "42"},
    )

    expected = {
        "address": "sip.carrier.example:5061",
        "transport": "tls",
        "auth_username": "voice",
        "has_password": True,
        "dial_format": "national",
        "dial_prefix": "9",
        "codecs": ["PCMA", "G722"],
        "headers": {"X-Customer": "42"},
    }
    read = make.client(ours).get(f"/phone-numbers/{number['id']}").json()
    assert (number["sip"], read["sip"]) == (expected, expected)


def test_a_changed_form_is_returned_and_audited(ours: Workspace, box: RunningSandbox) -> None:
    number = register(ours)
    url = f"/phone-numbers/{number['id']}"

    changed = make.client(ours).patch(url, {"sip": {"dial_format": "no_plus"}})
    reset = make.client(ours).patch(url, {"sip": {"dial_format": None}})

    assert changed.json() == {**number, "sip": {**number["sip"], "dial_format": "no_plus"}}
    assert reset.json() == number
    entry = AuditEntry.unscoped.filter(action="phone_number.changed").first()
    assert entry is not None
    assert entry.changes == {"changed": ["dial_format"]}


def test_codecs_reach_both_trunks_and_can_be_given_back(
    ours: Workspace, box: RunningSandbox
) -> None:
    number = register(ours, codecs=["PCMU"])
    [outbound], [inbound] = everything()["outbound"], everything()["inbound"]

    make.client(ours).patch(f"/phone-numbers/{number['id']}", {"sip": {"codecs": None}})

    for trunk in (outbound, inbound):
        assert trunk.media.only_listed_codecs
        assert [(codec.name, codec.rate) for codec in trunk.media.codecs] == [("PCMU", 8000)]
    [outbound], [inbound] = everything()["outbound"], everything()["inbound"]
    assert not outbound.HasField("media")
    assert not inbound.HasField("media")


def test_a_header_that_sounds_like_a_credential_is_sealed(
    ours: Workspace, box: RunningSandbox
) -> None:
    number = register(ours, headers={"X-Auth-Token": "s3cret", "X-Customer": "42"})

    row = PhoneNumber.unscoped.get()
    [outbound] = everything()["outbound"]
    assert number["sip"]["headers"] == {"X-Customer": "42", "X-Auth-Token": MASK}
    assert dict(outbound.headers) == {"X-Auth-Token": "s3cret", "X-Customer": "42"}
    assert row.headers == {"X-Customer": "42"}
    assert "s3cret" not in row.sealed_headers


def test_a_mask_that_is_sent_back_keeps_the_credential(
    ours: Workspace, box: RunningSandbox
) -> None:
    number = register(ours, headers={"X-Auth-Token": "s3cret"})
    headers = {"X-Auth-Token": MASK, "X-Account": "7"}

    response = make.client(ours).patch(
        f"/phone-numbers/{number['id']}", {"sip": {"headers": headers}}
    )

    assert response.json()["sip"]["headers"] == {"X-Account": "7", "X-Auth-Token": MASK}
    assert dict(everything()["outbound"][0].headers) == {
        "X-Auth-Token": "s3cret",
        "X-Account": "7",
    }


def test_a_mask_without_a_value_behind_it_is_refused(ours: Workspace, box: RunningSandbox) -> None:
    number = register(ours)

    response = make.client(ours).patch(
        f"/phone-numbers/{number['id']}", {"sip": {"headers": {"X-Auth-Token": MASK}}}
    )

    text = "Nothing is stored behind the mask; write the value itself"
    assert response.status_code == 422
    assert response.json() == {
        "detail": [invalid(["sip", "headers", "X-Auth-Token"], text, "value_error")]
    }


@pytest.mark.parametrize(
    ("sip", "loc", "msg"),
    [
        ({"dial_prefix": "9,"}, ["dial_prefix"], "only the keys 0 to 9, * and # are permitted"),
        ({"dial_prefix": "9\r8"}, ["dial_prefix"], "control characters are not permitted"),
        ({"codecs": ["PCMU", "PCMU"]}, ["codecs"], "a codec is given twice"),
        (
            {"headers": {"Call-ID": "x"}},
            ["headers", "Call-ID"],
            "this header belongs to SIP itself and cannot be set",
        ),
        (
            {"headers": {"X-A": "1", "x-a": "2"}},
            ["headers", "X-A"],
            "this header is given twice",
        ),
        (
            {"headers": {"X A": "1"}},
            ["headers", "X A"],
            "a header's name has 2 to 62 letters, digits and -",
        ),
    ],
)
def test_what_a_trunk_cannot_have_is_refused_where_it_stands(
    ours: Workspace, box: RunningSandbox, sip: dict[str, Any], loc: list[str], msg: str
) -> None:
    response = make.client(ours).post("/phone-numbers", body(sip={**SIP, **sip}))

    assert response.status_code == 422
    assert response.json()["detail"][0] == invalid(["sip", *loc], msg, "value_error")
    assert box.dials() == []


def test_a_trunk_of_national_numbers_is_called_by_its_national_number(
    ours: Workspace, box: RunningSandbox
) -> None:
    register(ours, dial_format="national")

    [inbound] = everything()["inbound"]
    assert list(inbound.numbers) == ["+12025550100", "2025550100"]
    assert list(everything()["outbound"][0].numbers) == ["+12025550100"]
