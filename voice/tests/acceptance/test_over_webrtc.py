"""The same over WebRTC, through LiveKit's own server: with LIVEKIT_SERVER_BIN set."""

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from livekit import api

from voice.bench.world import World, becomes_true, serving
from voice.tests.acceptance.conversations import (
    END_CALL_TOOLS,
    GOODBYE,
    KEYS_TOOL,
    MACHINE_GREETING,
    MESSAGE,
    OPENING,
    agent,
)
from voice.tests.telephone import Telephone, running_media_server
from voice.worker.spool import spooled

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.media,
    pytest.mark.spoken,
]
STT = {
    "provider": "local",
    "phrases": ["Hello?", "Yes, of course", MACHINE_GREETING, "Who is calling?"],
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def media(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The worker and LiveKit's own server, with a control plane that only takes reports."""
    folder = tmp_path_factory.mktemp("media")
    async with running_media_server(folder) as url, serving(World(folder, url)) as made:
        yield made


async def ring(media: World, **changes: Any) -> tuple[str, Telephone]:
    """Dispatch an agent, and let the phone ring."""
    call_id = str(uuid.uuid4())
    await media.dispatch(call_id, agent(stt=STT, **changes))
    await becomes_true(lambda: "agent_joined" in media.types(call_id))
    telephone = Telephone(media.url, f"vo-{call_id}")
    await telephone.join()
    return call_id, telephone


async def test_a_call_is_answered_talked_through_and_ended_in_time(media: World) -> None:
    call_id, telephone = await ring(media)
    await asyncio.sleep(1.0)
    assert telephone.heard_at == []
    answered = time.monotonic()
    await telephone.answer()
    await telephone.speak("Hello?")
    await becomes_true(lambda: ("agent", OPENING) in media.texts(call_id))
    await telephone.speak("Yes, of course")
    async with asyncio.timeout(20):
        await telephone.left.wait()
    await becomes_true(lambda: media.reason(call_id) is not None)

    assert telephone.heard_at[0] - answered <= 4.0
    sentences = [text for role, text in media.texts(call_id) if role == "agent"]
    assert sentences == [OPENING, GOODBYE]
    assert telephone.left_at - telephone.heard_at[-1] <= 2.5
    assert media.reason(call_id) == "agent_hangup"
    [usage] = [event for event in media.events[call_id] if event["type"] == "usage"]
    assert {item["kind"] for item in usage["items"]} >= {"llm", "stt", "tts"}
    assert usage["latency"]["p50"] > 0.0


async def test_a_message_is_left_on_a_machine(media: World) -> None:
    voicemail = {"action": "leave_message", "message": MESSAGE}
    call_id, telephone = await ring(media, voicemail=voicemail)
    await telephone.answer()
    await telephone.speak(MACHINE_GREETING)
    async with asyncio.timeout(20):
        await telephone.left.wait()
    await becomes_true(lambda: media.reason(call_id) is not None)

    assert media.texts(call_id)[-1] == ("agent", MESSAGE)
    [left] = [event for event in media.events[call_id] if event["type"] == "message_left"]
    assert left["complete"] is True
    assert telephone.left_at - telephone.heard_at[-1] <= 4.0
    assert media.reason(call_id) == "voicemail"


async def test_keys_are_pressed_both_ways(media: World) -> None:
    rules = [{"hears": r"pressed (\d+)", "says": r"You pressed \1."}]
    call_id, telephone = await ring(
        media,
        llm={"provider": "local", "rules": rules},
        tools=[*END_CALL_TOOLS, KEYS_TOOL],
        voicemail={"detection": "off"},
    )
    await telephone.answer()
    await becomes_true(lambda: ("agent", OPENING) in media.texts(call_id))
    for digit in "42":
        await telephone.press(digit)
    await becomes_true(lambda: ("agent", "You pressed 42.") in media.texts(call_id))
    # As the API's `POST /calls/{id}/dtmf` does.
    request = api.SendDataRequest(
        room=f"vo-{call_id}",
        data=b"17",
        kind=api.DataPacket.Kind.RELIABLE,
        topic="voiceops.dtmf",
    )
    await media.lk.room.send_data(request)
    await becomes_true(lambda: telephone.keys == ["1", "7"])

    [pressed] = [event for event in media.events[call_id] if event["type"] == "dtmf"]
    assert pressed["digits"] == "42"
    await telephone.hang_up()
    await becomes_true(lambda: media.reason(call_id) is not None)
    assert media.reason(call_id) == "callee_hangup"


async def test_a_killed_job_frees_its_callee(media: World) -> None:
    call_id, telephone = await ring(media, voicemail={"detection": "off"})
    await telephone.answer()
    await becomes_true(lambda: ("agent", OPENING) in media.texts(call_id))
    os.kill(media.job_pid(call_id), signal.SIGKILL)
    async with asyncio.timeout(4):
        await telephone.left.wait()
    await becomes_true(lambda: media.reason(call_id) is not None)

    assert media.reason(call_id) == "agent_crashed"


async def test_a_worker_that_stops_lets_its_calls_end(media: World) -> None:
    first, one = await ring(media, voicemail={"detection": "off"})
    second, other = await ring(media, voicemail={"detection": "off"})
    for telephone in (one, other):
        await telephone.answer()
    await becomes_true(lambda: bool(media.texts(first) and media.texts(second)))
    process = media.worker.process
    assert process is not None

    process.terminate()
    await media.worker.wait_for_line("Stopping: 2 calls under way")
    await one.hang_up()
    await becomes_true(lambda: media.reason(first) is not None)
    await asyncio.sleep(2.5)
    assert (media.reason(second), process.returncode) == (None, None)
    await other.hang_up()
    async with asyncio.timeout(30):
        assert await process.wait() == 0
    assert list(spooled(media.spool)) == []
