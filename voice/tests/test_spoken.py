"""Whole conversations in sound, in real time: the local voice speaks, the local ears hear."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiohttp.test_utils import TestClient, TestServer

from voice.command_line import main
from voice.page.server import Page
from voice.providers.local_voice import LocalTTS
from voice.providers.sound import (
    HEARING_RATE,
    SPEAKING_RATE,
    Samples,
    read_wav,
    resample,
    write_wav,
)
from voice.rehearsal.script import DEMO_AGENT, read_agent_file

pytestmark = pytest.mark.spoken
FRAME = 320


async def speak(text: str) -> Samples:
    return resample(await LocalTTS().speak(text), SPEAKING_RATE, HEARING_RATE)


async def test_the_page_talks_with_a_browsers_microphone() -> None:
    page = Page(read_agent_file(DEMO_AGENT), {"first_name": "Maria"})
    answer = await speak("Yes, of course")
    sound = 0
    turns: list[tuple[str, str]] = []
    async with (
        TestClient(TestServer(page.application(), host="127.0.0.1")) as client,
        client.ws_connect("/call") as socket,
    ):
        microphone = asyncio.create_task(play_when(socket, answer, lambda: bool(turns)))
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                sound += len(message.data)
            elif (event := json.loads(message.data))["type"] == "turn":
                turns.append((event["role"], event["text"]))
        microphone.cancel()

    assert turns == [
        (
            "agent",
            "Hello Maria, this is the practice, about your appointment. Does it still suit you?",
        ),
        ("callee", "Yes, of course"),
        ("agent", "Wonderful, then we will see you there. Goodbye."),
    ]
    assert sound > 2 * SPEAKING_RATE * 5


async def play_when(
    socket: aiohttp.ClientWebSocketResponse, samples: Samples, has_spoken: Callable[[], bool]
) -> None:
    """Send silence, and the samples once the agent has spoken, as a browser does."""
    position = 0
    while True:
        await asyncio.sleep(FRAME / HEARING_RATE)
        frame = samples[position : position + FRAME] if has_spoken() else samples[:0]
        position += len(frame)
        await socket.send_bytes(frame.tobytes().ljust(FRAME * 2, b"\0"))


@pytest.mark.parametrize(
    ("stt", "expected"),
    [
        ({"phrases": ["Yes</script>"]}, ["Yes\\u003c/script>"]),
        ({"provider": "local", "model": "whisper", "phrases": ["Yes"]}, []),
        ({"provider": "deepgram", "phrases": ["Yes"]}, []),
    ],
)
async def test_the_page_lists_what_ears_of_phrases_understand(
    stt: dict[str, Any], expected: list[str]
) -> None:
    page = Page({"name": "Demo", "stt": stt}, {})
    async with TestClient(TestServer(page.application(), host="127.0.0.1")) as client:
        html = await (await client.get("/")).text()

    phrases = ", ".join(f'"{phrase}"' for phrase in expected)
    assert f"const phrases = [{phrases}];" in html
    assert 'textContent = "Demo";' in html


async def test_other_websites_cannot_use_the_page() -> None:
    page = Page(read_agent_file(DEMO_AGENT), {})
    async with TestClient(TestServer(page.application(), host="127.0.0.1")) as client:
        statuses = [
            (await client.get("/", headers=headers)).status
            for headers in ({}, {"Origin": "https://evil.example.com"}, {"Host": "evil.example"})
        ]

    assert statuses == [200, 403, 403]


def test_a_conversation_by_files_is_written_to_a_speaker_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    microphone, speaker = tmp_path / "microphone.wav", tmp_path / "speaker.wav"
    words = asyncio.run(speak("Yes, of course"))
    # The agent speaks first.
    write_wav(microphone, np.pad(words, (8 * HEARING_RATE, 0)), HEARING_RATE)

    assert main(["talk", "--microphone", str(microphone), "--speaker", str(speaker)]) == 0

    assert "  agent: Wonderful, then we will see you there. Goodbye." in capsys.readouterr().out
    assert len(read_wav(speaker, SPEAKING_RATE)) > 10 * SPEAKING_RATE
