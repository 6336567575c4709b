"""Answers of a server that is older than the kit, and lacks what has been added since."""

import json

import pytest
from pydantic import ValidationError
from voiceops.cli.batches import BATCH_FIELDS
from voiceops.cli.output import print_fields

from tests.examples_of_answers import example_of
from voiceops import FieldAbsent, models, webhooks

BATCH = example_of("/batches/{id}")
CALL = example_of("/calls/{id}")


def test_every_answer_is_read_without_a_field_that_is_not_there_yet() -> None:
    for name in BATCH.keys() - {"id"}:
        older = {key: value for key, value in BATCH.items() if key != name}
        batch = models.Batch.model_validate_json(json.dumps(older))

        assert json.loads(batch.to_json()).keys() == older.keys()
        assert not hasattr(batch, name)


def test_only_the_field_that_is_absent_cannot_be_read() -> None:
    older = {name: value for name, value in CALL.items() if name not in {"from", "cost"}}
    call = models.Call.model_validate({**older, "added_later": 1})

    with pytest.raises(FieldAbsent) as failure:
        _ = call.from_
    assert str(failure.value) == (
        "This server does not send Call.from_: it is older than this package"
    )
    assert not hasattr(call, "cost")
    assert (call.to, call.created_at.year) == (CALL["to"], int(CALL["created_at"][:4]))
    assert call.model_dump()["added_later"] == 1
    assert isinstance(call, models.Call)


def test_a_field_that_is_absent_deep_inside_is_as_well() -> None:
    counts = {name: count for name, count in BATCH["counts"].items() if name != "review"}
    batch = models.Batch.model_validate({**BATCH, "counts": counts})

    assert batch.counts.total == BATCH["counts"]["total"]
    with pytest.raises(FieldAbsent, match=r"does not send BatchCounts\.review"):
        _ = batch.counts.review


def test_an_event_is_read_whose_object_lacks_a_field() -> None:
    older = {name: value for name, value in BATCH.items() if name != "priority"}
    body = {"type": "batch.completed", "timestamp": "2026-11-30T01:00:00Z", "data": older}

    event = webhooks.read_event(json.dumps(body))

    assert isinstance(event, models.BatchEventPayload)
    assert event.data.id == BATCH["id"]


@pytest.mark.parametrize(
    "answer",
    [{}, {"message": "ok"}, {**BATCH, "id": None}, {"name": "no id"}, {**BATCH, "counts": 3}, []],
)
def test_what_no_server_of_ours_has_answered_is_refused(answer: object) -> None:
    with pytest.raises(ValidationError):
        models.Batch.model_validate_json(json.dumps(answer))


def test_the_command_line_leaves_an_absent_field_empty(capsys: pytest.CaptureFixture[str]) -> None:
    older = {name: value for name, value in BATCH.items() if name not in {"counts", "ended_at"}}

    print_fields(models.Batch.model_validate(older), BATCH_FIELDS, as_json=False)

    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert ["name", BATCH["name"]] in lines
    assert [line for line in lines if line[0] in {"counts", "ended"}] == [["ended"], ["counts"]]
