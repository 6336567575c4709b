import json

from accounts.models import Workspace
from agents.serializers import MAX_PROMPT_LENGTH
from telephony.clients.livekit.rooms import RoomRequest
from telephony.dialing.jobs import Job
from telephony.domain.agent_metadata import metadata_of
from telephony.models import Call
from tests import make


def test_an_agent_is_told_its_call_with_the_defaults_filled_in(ours: Workspace) -> None:
    config = {
        "first_message": "Hello {{name}}",
        "variables": [{"name": "name", "default": "there"}, {"name": "day"}],
    }
    call = make.call(ours, variables={"name": " ", "extra": 3})

    told = json.loads(metadata_of(call, config))

    token = told.pop("report_token")
    assert token
    assert told == {
        "call_id": str(call.pk),
        "report_url": f"http://127.0.0.1:8000/calls/{call.pk}/report",
        "agent": config,
        "variables": {"name": "there", "extra": 3, "day": ""},
    }


def test_the_longest_prompt_fits_into_what_livekit_takes_in_any_script(ours: Workspace) -> None:
    config = {"system_prompt": "話" * MAX_PROMPT_LENGTH}

    metadata = metadata_of(make.call(ours), config)

    assert len(metadata.encode()) < 512 * 1024
    assert json.loads(metadata)["agent"] == config


def test_what_an_agent_is_told_is_not_in_what_a_log_might_show() -> None:
    order = RoomRequest(
        name="vo-1", agent_name="voiceops", agent_metadata="s3cret", empty_timeout=60
    )
    job = Job(
        call=Call(), trunk_id="ST_1", config={"tools": [{"headers": {"Authorization": "s3cret"}}]}
    )

    assert "s3cret" not in f"{order!r} {job!r}"
