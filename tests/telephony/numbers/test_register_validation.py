import pytest
from pytest_django import Settings

from accounts.models import Workspace
from telephony.models import PhoneNumber
from tests import make
from tests.sandbox_server import RunningSandbox
from tests.telephony.numbers.registration import NUMBER, SIP, body, invalid


@pytest.mark.parametrize(
    "spelling", ["12345", "+1202555010", "202 555 0100", "+12025550100;ext=5", "anonymous"]
)
def test_an_invalid_phone_number_is_refused(ours: Workspace, spelling: str) -> None:
    response = make.client(ours).post("/phone-numbers", body(phone_number=spelling))

    assert (response.status_code, response.json()) == (400, {"detail": "Invalid phone number"})
    assert not PhoneNumber.unscoped.exists()


def test_all_errors_of_a_registration_are_reported_together(ours: Workspace) -> None:
    response = make.client(ours).post(
        "/phone-numbers",
        {
            "provider": "fax",
            "sip": {"transport": "ws", "auth_password": None, "realm": "x"},
            "inbound_agent_id": "unknown",
            "calls_per_second": "fast",
            "max_concurrent_calls": 0,
            "colour": "red",
        },
    )

    permitted = "value is not a valid enumeration member; permitted: "
    assert response.status_code == 422
    assert response.json() == {
        "detail": [
            invalid(["phone_number"], "field required", "value_error.missing"),
            invalid(["provider"], permitted + "'sip', 'twilio'", "type_error.enum"),
            invalid(["sip", "address"], "field required", "value_error.missing"),
            invalid(["sip", "transport"], permitted + "'tcp', 'udp', 'tls'", "type_error.enum"),
            invalid(
                ["sip", "auth_password"],
                "none is not an allowed value",
                "type_error.none.not_allowed",
            ),
            invalid(["sip", "realm"], "extra fields not permitted", "value_error.extra"),
            invalid(["inbound_agent_id"], "value is not a valid uuid", "type_error.uuid"),
            invalid(["calls_per_second"], "value is not a valid float", "type_error.float"),
            invalid(
                ["max_concurrent_calls"],
                "ensure this value is greater than or equal to 1",
                "value_error.number.not_ge",
            ),
            invalid(["colour"], "extra fields not permitted", "value_error.extra"),
        ]
    }


def test_a_carrier_number_needs_its_trunk(ours: Workspace) -> None:
    response = make.client(ours).post("/phone-numbers", {"phone_number": NUMBER, "provider": "sip"})

    assert response.status_code == 422
    assert response.json() == {
        "detail": [invalid(["sip"], "field required", "value_error.missing")]
    }


@pytest.mark.parametrize(
    "address",
    [
        "sip:carrier.example",
        "user@carrier.example",
        "carrier.example;transport=tcp",
        "<carrier.example>",
        "carrier.example\r\nVia: x",
        "carrier.example:99999",
        "[nonsense]",
        "two words",
    ],
)
def test_a_malformed_address_is_rejected(ours: Workspace, address: str) -> None:
    response = make.client(ours).post("/phone-numbers", body(sip={"address": address}))

    [error] = response.json()["detail"]
    assert (response.status_code, error["loc"], error["type"]) == (
        422,
        ["body", "sip", "address"],
        "value_error",
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"From": "x"},
        {"X-A\r\nVia": "x"},
        {"X-A": "b\r\nVia: c"},
        {"X-A": "b" * 300},
        {f"X-{n}": "" for n in range(21)},
    ],
)
def test_forbidden_headers_are_rejected(ours: Workspace, headers: dict[str, str]) -> None:
    response = make.client(ours).post("/phone-numbers", body(sip={**SIP, "headers": headers}))

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][:3] == ["body", "sip", "headers"]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "10.0.0.8:5060",
        "169.254.169.254",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::7f00:1]",
        "localhost",
        "sip.internal",
    ],
)
def test_a_private_address_is_refused(ours: Workspace, settings: Settings, address: str) -> None:
    settings.USES_SANDBOX = False

    response = make.client(ours).post("/phone-numbers", body(sip={"address": address}))

    assert (response.status_code, response.json()) == (
        400,
        {"detail": "SIP address must be public"},
    )
    assert not PhoneNumber.unscoped.exists()


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "[2606:4700::1111]:5061", "sip.carrier.example", "localhost.example.com"]
)
def test_a_public_address_is_accepted(
    ours: Workspace, box: RunningSandbox, settings: Settings, address: str
) -> None:
    settings.USES_SANDBOX = False

    response = make.client(ours).post("/phone-numbers", body(sip={"address": address}))

    assert response.status_code == 201
