"""What every session is given, because the framework's own defaults are no telephone's."""

from collections.abc import Callable
from typing import Any

from livekit.agents import (
    APIConnectOptions,
    JobExecutorType,
    UserTranscriptionTimeoutEvent,
    UserTurnExceededEvent,
    tts,
)
from livekit.agents.testing import fake_job_context
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS

from voice.agent_config import AgentConfig
from voice.clock import VirtualClock
from voice.conversation.session import make_session
from voice.conversation.talk import Talk
from voice.journal import Journal
from voice.lines.line import MemoryLine
from voice.providers.registry import make_parts
from voice.settings import read_settings
from voice.tests.talks import of_type, start, texts
from voice.worker.server import make_server

Config = Callable[..., AgentConfig]
SERVER_OPTIONS = {
    "_host": "127.0.0.1",
    "_num_idle_processes": 2,
    "_initialize_process_timeout": 60.0,
    "_shutdown_process_timeout": 25.0,
    "_job_executor_type": JobExecutorType.PROCESS,
    "_job_memory_warn_mb": 400,
    "_job_memory_limit_mb": 800,
    # LiveKit may be away for days.
    "_max_retry": 1_000_000,
    "_preload_modules": ["voice.worker.preloaded"],
}


async def test_a_session_has_the_settings_of_a_telephone(config: Config) -> None:
    turn_taking = {"detection": "silence", "min_delay": 0.4, "max_delay": 2.0}
    interruptions = {"min_words": 2, "min_seconds": 0.7}
    found = config(turn_taking=turn_taking, interruptions=interruptions)
    with fake_job_context():
        parts = make_parts(found, has_sound=False)
        options = make_session(found, parts, is_telephone=True).options

    turns = options.turn_handling
    interruption = turns["interruption"]
    assert turns["endpointing"]["min_delay"] == 0.4
    assert turns["endpointing"]["max_delay"] == 2.0
    assert turns["user_turn_limit"] == {"max_duration": 45.0, "max_words": None}
    assert turns["preemptive_generation"]["enabled"] is True
    # What is synthesised ahead of a turn's end, and thrown away, is paid for.
    assert turns["preemptive_generation"]["preemptive_tts"] is False
    assert (interruption["mode"], interruption["resume_false_interruption"]) == ("vad", True)
    assert (interruption["min_words"], interruption["min_duration"]) == (2, 0.7)
    assert options.transcription_timeout == 10.0
    assert options.aec_warmup_duration is None
    assert options.session_close_transcript_timeout == 0.0
    assert options.user_away_timeout is None
    assert options.max_tool_steps == 5


def test_the_server_has_the_settings_of_a_worker_that_stays_up() -> None:
    found = vars(make_server(read_settings({})))

    assert {name: found[name] for name in SERVER_OPTIONS} == SERVER_OPTIONS


class _Voice(tts.TTS[Any]):
    """A voice that fails whenever it is asked to speak."""

    def __init__(self) -> None:
        capabilities = tts.TTSCapabilities(streaming=False)
        super().__init__(capabilities=capabilities, sample_rate=24000, num_channels=1)

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        raise AssertionError(f"asked for {text!r}")


async def test_a_turn_of_tools_alone_is_no_failure_of_a_voice() -> None:
    voices = tts.FallbackAdapter([_Voice(), _Voice()])
    changes: list[object] = []
    voices.on("tts_availability_changed", changes.append)

    async with voices.stream() as stream:
        stream.end_input()
        frames = [frame async for frame in stream]
    await voices.aclose()

    assert (frames, changes) == ([], [])


async def test_only_a_browser_has_an_echo_to_get_used_to(config: Config) -> None:
    with fake_job_context():
        parts = make_parts(config(), has_sound=False)
        session = make_session(config(), parts, is_telephone=False)

    assert session.options.aec_warmup_duration == 3.0


def make_talk(config: AgentConfig) -> Talk:
    return Talk(
        config,
        make_parts(config, has_sound=False),
        MemoryLine(),
        Journal(),
        start,
        clock=VirtualClock(),
        has_sound=False,
    )


def exceeded() -> UserTurnExceededEvent:
    return UserTurnExceededEvent(
        transcript="Please hold the line",
        accumulated_transcript="Please hold the line",
        accumulated_word_count=4,
        duration=45.0,
    )


async def test_a_voice_without_an_end_is_cut_in_on(config: Config) -> None:
    with fake_job_context():
        talk = make_talk(config())
        await talk.begin()
        await talk.agent.on_user_turn_exceeded(exceeded())
        await talk.close()

    assert texts(talk.journal.events)[-1] == ("agent", "Pardon?")


async def test_a_voice_is_not_cut_in_on_before_the_opening_or_after_the_goodbye(
    config: Config,
) -> None:
    with fake_job_context():
        talk = make_talk(config())
        await talk.begin()
        heard = texts(talk.journal.events)
        talk.opening.is_over = False
        await talk.agent.on_user_turn_exceeded(exceeded())
        talk.opening.is_over, talk.ending = True, "agent_hangup"
        await talk.agent.on_user_turn_exceeded(exceeded())
        await talk.close()

    assert texts(talk.journal.events) == heard


def unheard(seconds: float) -> UserTranscriptionTimeoutEvent:
    return UserTranscriptionTimeoutEvent(speech_duration=seconds, vad_speech_started_at=0.0)


async def test_speech_that_is_not_understood_is_reported_once_until_words_come(
    config: Config,
) -> None:
    with fake_job_context():
        talk = make_talk(config())
        emit: Any = talk.session.emit
        # Over the opening the callee is not listened to.
        emit("user_transcription_timeout", unheard(1.0))
        await talk.begin()
        for seconds in (12.2, 14.0):
            emit("user_transcription_timeout", unheard(seconds))
        await talk.close()

    [error] = of_type(talk.journal.events, "error")
    assert error == {
        "type": "error",
        "part": "stt",
        "provider": "",
        "text": "Nothing was understood of 12 s of speech",
        "fallback": False,
    }
