"""Lists in JSON bodies that are too long to be parsed at once."""

import json
import tracemalloc
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import Workspace
from batches.models import Batch
from tests import make
from voiceops.api.json_rows import JsonRows, RowLimits, parse_long_object
from voiceops.api.parsers import parse_json

LIMITS = RowLimits(rows=5_000, bytes=100_000)


def parse(body: bytes) -> Any:
    return parse_long_object(body, rows_name="recipients", parse=parse_json, limits=LIMITS)


def post(ours: Workspace, **fields: Any) -> Any:
    body = {
        "name": "Long",
        "agent_id": str(make.agent(ours).pk),
        "phone_number_id": str(make.phone_number(ours).pk),
        **fields,
    }
    return make.client(ours).post("/batches", body)


def recipients(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [
        {"phone_number": f"+1202555{at:04}", "variables": {"name": f'"[{at}]"'}, **fields}
        for at in range(count)
    ]


@pytest.mark.parametrize(
    "text",
    [
        '{"recipients": []}',
        ' { "a" : [1, {"b": "]"}] , "recipients" : [ 1 , {"c": [2]} , "q,]" ] , "d": null } ',
        '{"recipients": 5}',
        '{"recipients": [{"phone_number": "\\"[{\\\\"}]}',
        json.dumps({"recipients": list(range(2_000))}),
    ],
)
def test_a_long_body_is_read_as_a_short_one(text: str) -> None:
    data = parse(text.encode())

    plain = {
        name: list(value) if isinstance(value, JsonRows) else value for name, value in data.items()
    }
    assert plain == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"recipients": [1,]}',
        '{"recipients": [1 2]}',
        '{"recipients": [1}',
        '{"recipients": [',
        '{"recipients": []} x',
        '{"recipients": []]',
        '{"recipients": [[}]]}',
        '{"recipients": [NaN]}',
        '{, "recipients": []}',
        '{"recipients": [],}',
        '{"a" 1}',
    ],
)
def test_a_long_body_that_is_malformed_is_refused(text: str) -> None:
    with pytest.raises(Exception, match="Malformed request"):
        parse(text.encode())


def test_a_nul_in_a_long_list_is_refused_at_its_row(ours: Workspace, settings: Settings) -> None:
    settings.MAX_JSON_BYTES = 5_000
    rows = [*recipients(700), {"phone_number": "+12025550123", "variables": {"name": "\0"}}]

    response = post(ours, recipients=rows)

    place = ["body", "recipients", 700, "variables", "name"]
    nul = {"loc": place, "msg": "Null characters are not allowed.", "type": "value_error"}
    assert (response.status_code, response.json()) == (422, {"detail": [nul]})


def test_many_nuls_in_a_long_list_are_counted(ours: Workspace, settings: Settings) -> None:
    settings.MAX_JSON_BYTES = 5_000
    rows = [{"phone_number": "\0"} for _ in range(300)]

    detail = post(ours, recipients=rows).json()["detail"]

    assert detail[0]["loc"] == ["body", "recipients", 0, "phone_number"]
    assert detail[-1]["msg"].startswith("201 more mistakes are not listed")


def test_rows_can_be_counted_and_read_at_a_position() -> None:
    rows = parse(json.dumps({"recipients": list(range(1_200))}).encode())["recipients"]

    assert (len(rows), rows[700], rows[-1], rows[2:4]) == (1_200, 700, 1_199, [2, 3])


def test_a_long_list_becomes_a_batch(ours: Workspace, settings: Settings) -> None:
    settings.MAX_JSON_BYTES = 5_000

    response = post(ours, recipients=recipients(300))

    assert response.status_code == 201, response.json()
    assert Batch.unscoped.get().upload.endswith(".recipients")


def test_a_long_list_is_refused_as_a_short_one(ours: Workspace, settings: Settings) -> None:
    settings.MAX_JSON_BYTES = 5_000
    rows = [*recipients(150), *({"number": "1"} for _ in range(150))]

    response = post(ours, recipients=rows)

    detail = response.json()["detail"]
    assert (response.status_code, len(detail)) == (422, 100)
    assert detail[0] == {
        "loc": ["body", "recipients", 150, "phone_number"],
        "msg": "field required",
        "type": "value_error.missing",
    }
    assert detail[-1] == {
        "loc": ["body"],
        "msg": "201 more mistakes are not listed, because a response lists 100 at most",
        "type": "value_error",
    }


def test_a_list_of_too_many_rows_is_refused_while_it_is_read(
    ours: Workspace, settings: Settings
) -> None:
    settings.MAX_JSON_BYTES, settings.MAX_UPLOAD_ROWS = 5_000, 200

    response = post(ours, recipients=recipients(900))

    sentence = "The list has more than 200 rows: split it into several lists."
    assert (response.status_code, response.json()) == (400, {"detail": sentence})


def test_unknown_names_in_a_long_body_are_refused_before_they_are_read(ours: Workspace) -> None:
    body: dict[str, Any] = {f"name {at}": 1 for at in range(300_000)}

    response = post(ours, **body)

    assert (response.status_code, response.json()) == (413, {"detail": "Request body too large"})


def test_numbers_that_cannot_be_sent_again_are_refused(ours: Workspace) -> None:
    rows = [
        {"phone_number": "+12025550186", "variables": {"debt": 1e25, "age": 18446744073709551615}}
    ]

    response = post(ours, recipients=rows)

    mistake = {
        "loc": ["body", "recipients", 0, "variables", "debt"],
        "msg": "ensure this value is less than or equal to 18446744073709551615",
        "type": "value_error.number.not_le",
    }
    assert (response.status_code, response.json()) == (422, {"detail": [mistake]})


def test_a_long_list_takes_memory_near_its_length() -> None:
    row = b'{"phone_number": "+12025550186", "variables": {}}'
    body = b'{"recipients": [' + b",".join([row] * 4_900) + b"]}"
    limits = RowLimits(rows=5_000, bytes=30_000)

    tracemalloc.start()
    rows = parse_long_object(body, rows_name="recipients", parse=parse_json, limits=limits)
    count = sum(1 for _ in rows["recipients"])
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert count == 4_900
    assert peak_bytes < 2 * len(body)
