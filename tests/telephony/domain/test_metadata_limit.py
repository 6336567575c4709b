"""The limit of metadata is read from a refusal, and told before the next start."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache

from accounts.models import Workspace
from ops.checking.installation_checks import check_agents
from sandbox.livekit import rooms
from telephony.clients.livekit.rooms import RoomRequest, create_room, verdict_on_room
from telephony.clients.livekit.session import run_in_session
from telephony.domain.agent_metadata import learn_metadata_limit, metadata_limit
from telephony.domain.dial_verdicts import TOO_LONG
from tests import make
from tests.sandbox_server import RunningSandbox
from voiceops.core.errors import ProviderError

WORDS = "metadata size exceeds limits 4096"
TOO_LONG_AGENT = (
    "The agent's settings are too long: LiveKit accepts 4 KiB, including the variables of a call"
)


@pytest.fixture(autouse=True)
def forget_limit() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def test_a_refusal_teaches_the_limit_and_blames_the_settings(
    box: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "MAX_METADATA_BYTES", 4096)
    room = RoomRequest(
        name="vo-1", agent_name="voiceops", agent_metadata="x" * 5000, empty_timeout=60
    )

    with pytest.raises(ProviderError) as refused:
        run_in_session(lambda livekit: create_room(livekit, room))

    assert verdict_on_room(refused.value) is TOO_LONG
    assert metadata_limit() == 4096


def test_a_refusal_that_names_no_limit_teaches_what_was_refused() -> None:
    learn_metadata_limit("metadata exceeds the maximum", refused_bytes=9000)

    assert metadata_limit() == 8999


def test_an_agent_that_would_not_fit_is_not_published(ours: Workspace) -> None:
    agent = make.agent(ours, published=False, system_prompt="x" * 5000)
    learn_metadata_limit(WORDS, refused_bytes=5000)

    response = make.client(ours).post(f"/agents/{agent.pk}/publish")

    agent.refresh_from_db()
    assert (response.status_code, response.json()) == (400, {"detail": TOO_LONG_AGENT})
    assert agent.published_version is None


def test_a_batch_whose_agent_does_not_fit_is_not_started(ours: Workspace) -> None:
    batch = make.batch(ours, agent=make.agent(ours, system_prompt="x" * 5000), status="ready")
    learn_metadata_limit(WORDS, refused_bytes=5000)

    response = make.client(ours).post(f"/batches/{batch.pk}/start")

    assert (response.status_code, response.json()) == (400, {"detail": TOO_LONG_AGENT})


def test_the_doctor_names_published_agents_that_do_not_fit(ours: Workspace) -> None:
    make.agent(ours, name="Talkative", system_prompt="x" * 5000)
    make.agent(ours, name="Short")
    before = list(check_agents())
    learn_metadata_limit(WORDS, refused_bytes=5000)

    [after] = check_agents()

    assert before == []
    assert "Talkative" in str(after)
    assert "Short" not in str(after)
