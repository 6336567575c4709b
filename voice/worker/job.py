"""One job: a call from the dispatch to its last report.

Whatever happens, the room is deleted at the end, so that the callee does not stay in silence.
"""

import asyncio
import logging
import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from livekit import api
from livekit.agents import AgentSession, APIError, JobContext, __version__, llm, utils
from livekit.agents.voice.background_audio import (
    AudioConfig,
    BackgroundAudioPlayer,
    BuiltinAudioClip,
)
from livekit.agents.voice.room_io import RoomOptions

from voice.agent_config import AgentConfig, read_agent
from voice.conversation.analysis import AnalysisError, analyse, read_question
from voice.conversation.persona import Persona
from voice.conversation.talk import Talk
from voice.journal import Journal
from voice.lines.room import RoomLine
from voice.lines.waiting import CalleeWatch, RoomDeletion
from voice.providers.errors import ProviderError
from voice.providers.registry import make_parts
from voice.settings import Settings, read_settings
from voice.worker.callee_scripts import played_scripts
from voice.worker.job_metadata import Job, read_job
from voice.worker.livekit_requests import is_sandbox
from voice.worker.played_callee import PlayedLine
from voice.worker.reports import Reporter
from voice.worker.spool import CallInUseError, Header, Spool

log = logging.getLogger(__name__)

DELETE_ROOM_SECONDS = 3.0
# An opt-out is to be stored before the callee is answered, and a machine known before the hang-up.
DELIVER_SECONDS = 3.0
LAST_REPORT_SECONDS = 3.0
# The callee is gone; the framework waits 15 s for a job that it asks to end.
ANALYSIS_SECONDS = 10.0
STOPPING_SENTENCE = "I am sorry, I have to end this call now. Goodbye."


async def run_job(context: JobContext) -> None:
    """Serve a call: the entry point of the framework's job processes."""
    settings = read_settings()
    job = read_job(context.job.metadata, context.job.id)
    try:
        call = Call(context, job, settings)
    except CallInUseError as error:
        log.warning("%s", error)
        context.shutdown("in use")
        return
    await call.run()


@dataclass
class Call:
    """A job's call. `reason` is how it ended."""

    context: JobContext
    job: Job
    settings: Settings
    reason: str = ""
    model: "llm.LLM[Any] | None" = None
    server: api.LiveKitAPI = field(init=False)
    journal: Journal = field(init=False)
    reporter: Reporter = field(init=False)
    deletion: RoomDeletion = field(init=False)

    def __post_init__(self) -> None:
        header = Header(
            call_id=self.job.call_id,
            room=self.context.job.room.name,
            report_url=self.job.report_url,
            report_token=self.job.report_token,
            pid=os.getpid(),
        )
        self.reporter = Reporter(Spool.create(self.settings.spool, header))
        self.journal = Journal(self.reporter.add)
        self.server = api.LiveKitAPI(
            self.settings.livekit_url,
            self.settings.api_key,
            self.settings.api_secret,
            session=utils.http_context.http_session(),
            # The context's own would send a dial again (`docs/reference/protocols.md §9`).
            failover=False,
        )
        self.deletion = RoomDeletion(self.server, self.context.job.room.name)

    async def run(self) -> None:
        """Talk, and end the call whatever happens."""
        self.reason = "agent_crashed"
        try:
            await self._talk()
        except ProviderError as error:
            log.error("The call %s: %s", self.job.call_id, error)  # noqa: TRY400  # one sentence
            self.journal.add("error", part="", provider="", text=str(error), fallback=False)
            self.reason = "provider_failed"
        finally:
            await self._end()

    async def _talk(self) -> None:
        """Raises ProviderError."""
        has_sound = not await uses_no_media(self.settings)
        config = read_agent(self.job.agent, self.job.variables)
        callee = CalleeWatch(self.journal)
        line: RoomLine | PlayedLine
        if has_sound:
            parts = make_parts(config)
            await self.context.connect()
            line = RoomLine(self.context.room, self.server, callee, self.deletion)
            line.begin()
        else:
            parts = make_parts(config, has_sound=False)
            room = self.context.job.room.name
            scripts = played_scripts(self.settings.callees)
            line = PlayedLine(self.server, room, callee, self.deletion, scripts=scripts)
        self.journal.add("agent_joined", worker=self._worker())
        self.reporter.start()
        self.model = parts.llm
        talk = Talk(
            config,
            parts,
            line,
            self.journal,
            self._starter(config, callee) if has_sound else _start_in_text,
            has_sound=has_sound,
            detects=has_sound,
            call_id=self.job.call_id,
            permits_private=self.settings.permits_private_tools,
            flush_reports=self._deliver,
        )
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, dismiss, talk)
        watch = talk.spawn(self._leave_when_over(talk))
        if isinstance(line, PlayedLine):
            line.talk = talk
            talk.spawn(line.play(talk))
        self.reason = await talk.run()
        watch.cancel()

    def _worker(self) -> dict[str, str]:
        return {"id": self.context.worker_id, "version": __version__}

    def _starter(self, config: AgentConfig, callee: CalleeWatch) -> Any:
        async def start(session: "AgentSession[Any]", agent: Persona) -> None:
            # The callee joins later; the session must not adopt anybody else.
            options = RoomOptions(delete_room_on_close=False, close_on_disconnect=False)
            await session.start(agent, room=self.context.room, room_options=options, record=False)
            await self._start_background(config, session)

        return start

    async def _start_background(self, config: AgentConfig, session: "AgentSession[Any]") -> None:
        clip = find_clip(config.background.sound)
        if clip is None:
            return
        sound = AudioConfig(clip, volume=config.background.volume)
        player = BackgroundAudioPlayer(ambient_sound=sound)
        await player.start(room=self.context.room, agent_session=session)

    async def _leave_when_over(self, talk: Talk) -> None:
        """End the talk when the control plane says that the call has ended."""
        await self.reporter.call_over.wait()
        talk.end("client_initiated")

    async def _deliver(self) -> None:
        await self.reporter.flush(DELIVER_SECONDS)

    async def _end(self) -> None:
        """Report the end, and delete the room, within bounds. What is left is the supervisor's."""
        self.journal.add("ended", reason=self.reason)
        with suppress(TimeoutError, aiohttp.ClientError, api.TwirpError):
            async with asyncio.timeout(DELETE_ROOM_SECONDS):
                await self.deletion.run()
        await self._analyse()
        if await self.reporter.close(LAST_REPORT_SECONDS):
            self.reporter.spool.remove()
        else:
            self.reporter.spool.close()
        self.context.shutdown(self.reason)

    async def _analyse(self) -> None:
        """Report what the agent wants to know of the call; a model of rules knows nothing."""
        question = read_question(self.job.agent.get("analysis") or {})
        turns = self.journal.of_type("turn")
        if question is None or not turns or self.model is None or self.model.provider == "local":
            return
        try:
            async with asyncio.timeout(ANALYSIS_SECONDS):
                self.journal.add("analysis", **await analyse(question, turns, self.model))
        except (AnalysisError, TimeoutError, APIError) as error:
            text = str(error) or "The model did not answer in time"
            self.journal.add("error", part="analysis", provider="", text=text, fallback=False)


async def _start_in_text(session: "AgentSession[Any]", agent: Persona) -> None:
    await session.start(agent, record=False)


def find_clip(name: str) -> BuiltinAudioClip | None:
    """Return the framework's sound of a name such as `office_ambience` or `hold_music`."""
    return BuiltinAudioClip.__members__.get(name.upper())


async def uses_no_media(settings: Settings) -> bool:
    """Return whether calls are in text: as set, or because the sandbox plays LiveKit."""
    if settings.media != "auto":
        return settings.media == "none"
    return await asyncio.get_running_loop().run_in_executor(None, is_sandbox, settings)


def dismiss(talk: Talk) -> None:
    """Take leave of the callee, because this worker stops."""
    talk.end("agent_stopped", farewell=STOPPING_SENTENCE)
