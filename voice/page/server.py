"""The page on this machine: the browser's microphone and loudspeaker, over one WebSocket.

Binary messages are sound of 16 bits in one channel: at HEARING_RATE from the browser, at
SPEAKING_RATE to it. Text messages are JSON: `{"type": "turn" | "error" | "stop" | "over", …}`.
"""

import asyncio
import json
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import WSMsgType, web
from livekit import rtc
from livekit.agents import AgentSession
from livekit.agents.testing import fake_job_context
from livekit.agents.voice import io

from voice.agent_config import AgentConfig, read_agent
from voice.conversation.persona import Persona
from voice.conversation.talk import Talk
from voice.journal import Event, Journal
from voice.lines.line import MemoryLine
from voice.page.files import print_turn
from voice.providers.local_voice import LocalTTS
from voice.providers.local_whisper import WHISPER_MODEL
from voice.providers.registry import make_parts
from voice.providers.sound import HEARING_RATE
from voice.rehearsal.caller import Ear
from voice.rehearsal.run import complete

PAGE_FILE = Path(__file__).with_name("talk.html")
HOST = "127.0.0.1"
SILENT_FRAME_SECONDS = 0.02
MAX_SOUND_BYTES = 64 * 1024
# The page loads nothing from elsewhere; its recorder is made of a blob.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; "
    "connect-src 'self'"
)


class Microphone(io.AudioInput):
    """The browser's microphone. While nothing comes, there is silence."""

    def __init__(self) -> None:
        super().__init__(label="microphone")
        self.frames: asyncio.Queue[bytes] = asyncio.Queue()

    async def __anext__(self) -> rtc.AudioFrame:
        try:
            async with asyncio.timeout(SILENT_FRAME_SECONDS * 5):
                data = await self.frames.get()
        except TimeoutError:
            data = np.zeros(int(HEARING_RATE * SILENT_FRAME_SECONDS), np.int16).tobytes()
        return rtc.AudioFrame(data, HEARING_RATE, 1, len(data) // 2)


@dataclass
class Page:
    """One agent to talk with; every opened call is a conversation of its own."""

    agent: Mapping[str, Any]
    variables: Mapping[str, Any]

    def config(self) -> AgentConfig:
        return read_agent(self.agent, complete(self.agent, self.variables))

    def application(self) -> web.Application:
        application = web.Application(middlewares=[refuse_strangers])
        application.add_routes([web.get("/", self._show), web.get("/call", self._call)])
        return application

    async def _show(self, request: web.Request) -> web.StreamResponse:
        html = PAGE_FILE.read_text()
        for mark, value in (
            ("AGENT_NAME", str(self.agent.get("name") or "the agent")),
            ("KNOWN_PHRASES", known_phrases(self.config())),
        ):
            html = html.replace(mark, json.dumps(value).replace("<", "\\u003c"))
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
        return web.Response(text=html, content_type="text/html", headers=headers)

    async def _call(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(max_msg_size=MAX_SOUND_BYTES)
        await socket.prepare(request)
        microphone, line = Microphone(), MemoryLine(is_telephone=False)
        out: asyncio.Queue[bytes | str] = asyncio.Queue()
        with fake_job_context():
            call = asyncio.get_running_loop().create_task(self._talk(microphone, line, out))
        sender = asyncio.get_running_loop().create_task(_send(socket, out))
        call.add_done_callback(lambda _: out.put_nowait(json.dumps({"type": "over"})))
        try:
            async for message in socket:
                if message.type is WSMsgType.BINARY and len(message.data) % 2 == 0:
                    microphone.frames.put_nowait(message.data)
        finally:
            line.leave()
            await asyncio.wait({call})
            sender.cancel()
        return socket

    async def _talk(
        self, microphone: Microphone, line: MemoryLine, out: "asyncio.Queue[bytes | str]"
    ) -> str:
        ear = Ear(on_sound=out.put_nowait)
        ear.on_stop = lambda: out.put_nowait(json.dumps({"type": "stop"}))

        def report(event: Event) -> None:
            print_turn(event)
            if event["type"] == "turn":
                turn = {"type": "turn", "role": event["role"], "text": event["text"]}
                out.put_nowait(json.dumps(turn))
            elif event["type"] == "error":
                out.put_nowait(json.dumps({"type": "error", "text": event["text"]}))

        async def start(session: "AgentSession[Any]", persona: Persona) -> None:
            session.input.audio, session.output.audio = microphone, ear
            await session.start(persona, record=False)

        config = self.config()
        talk = Talk(config, make_parts(config), line, Journal(report), start, detects=False)
        return await talk.run()


async def _send(socket: web.WebSocketResponse, out: "asyncio.Queue[bytes | str]") -> None:
    while not socket.closed:
        message = await out.get()
        if isinstance(message, bytes):
            await socket.send_bytes(message)
        else:
            await socket.send_str(message)
            if json.loads(message)["type"] == "over":
                await socket.close()


@web.middleware
async def refuse_strangers(
    request: web.Request, handler: Callable[[web.Request], Any]
) -> web.StreamResponse:
    """Refuse other websites that are open in the same browser, and names that lead here."""
    host = request.headers.get("Host", "")
    origin = request.headers.get("Origin")
    if host.partition(":")[0] not in (HOST, "localhost"):
        raise web.HTTPForbidden(text=f"Open this page as http://{HOST}")
    if origin is not None and origin != f"http://{host}":
        raise web.HTTPForbidden(text="This page talks to itself only")
    response: web.StreamResponse = await handler(request)
    return response


async def serve(
    agent: Mapping[str, Any],
    variables: Mapping[str, Any],
    *,
    port: int,
    on_ready: Callable[[str], None],
) -> int:
    """Serve the page until a signal. Returns 0. Raises ProviderError, and OSError for the port."""
    page = Page(agent, variables)
    make_parts(page.config())
    # So that the first opening does not wait for the voice to load.
    await LocalTTS(language="en").speak("Hello.") if uses_local_voice(agent) else None
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    runner = web.AppRunner(page.application(), shutdown_timeout=2.0)
    await runner.setup()
    site = web.TCPSite(runner, HOST, port)
    try:
        await site.start()
        on_ready(f"http://{HOST}:{runner.addresses[0][1]}/")
        await stopping.wait()
    finally:
        await runner.cleanup()
    return 0


def known_phrases(config: AgentConfig) -> list[str]:
    """Return what the callee may say, where the ears know phrases only; else nothing."""
    stt = config.stt
    if stt.get("provider", "local") != "local" or stt.get("model") == WHISPER_MODEL:
        return []
    return [str(phrase) for phrase in stt.get("phrases") or []]


def uses_local_voice(agent: Mapping[str, Any]) -> bool:
    """Whether an agent speaks English with the local voice."""
    provider = (agent.get("tts") or {}).get("provider") or "local"
    return provider == "local" and str(agent.get("language") or "en").startswith("en")
