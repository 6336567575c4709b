import json

from accounts.models import Workspace
from agents.serializers.agents import MAX_PROMPT_LENGTH
from telephony.clients.livekit.rooms import RoomRequest
from telephony.dialing.jobs import Job
from telephony.domain.agent_metadata import metadata_of
from telephony.models import Call
from tests import make


def test_metadata_describes_the_call_with_the_defaults_filled_in(ours: Workspace) -> None:
    config = {
        "first_message": "Hello {{name}}",
        "variables": [{"name": "name", "default": "there"}, {"name": "day"}],
    }
    call = make.call(ours, variables={"name": " ", "extra": 3})

    metadata = json.loads(metadata_of(call, config))

    token = metadata.pop("report_token")
    assert token
    assert metadata == {
        "call_id": str(call.pk),
        "report_url": f"http://127.0.0.1:8000/calls/{call.pk}/report",
        "agent": config,
        "variables": {"name": "there", "extra": 3, "day": ""},
    }


def test_longest_prompt_fits_into_livekits_limit_in_any_script(ours: Workspace) -> None:
    config = {"system_prompt": "話" * MAX_PROMPT_LENGTH}

    metadata = metadata_of(make.call(ours), config)

    assert len(metadata.encode()) < 512 * 1024
    assert json.loads(metadata)["agent"] == config


def test_credentials_of_the_agent_are_not_in_the_repr_of_a_request_or_job() -> None:
    order = RoomRequest(
        name="vo-1", agent_name="voiceops", agent_metadata="s3cret", empty_timeout=60
    )
    job = Job(
        call=Call(), trunk_id="ST_1", config={"tools": [{"headers": {"Authorization": "s3cret"}}]}
    )

    assert "s3cret" not in f"{order!r} {job!r}"
