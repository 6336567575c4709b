"""Figures of conversations in this process: in text, and in sound with several at once."""

import asyncio
import logging
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from voice.conversation.figures import percentile
from voice.rehearsal.run import rehearse
from voice.rehearsal.script import Rehearsal, Script, Step
from voice.rehearsal.verdict import Result

TEXT_SCRIPTS = 100
BENCH_CALLS = 10
# Callees do not speak in unison, and only here do ten calls share one process and its one voice.
BENCH_STAGGER_SECONDS = 0.25


async def measure_talks(rehearsal: Rehearsal) -> dict[str, float]:
    """Return the figures of the demo's rehearsal."""
    await rehearse(rehearsal, rehearsal.scripts[0], mode="text")
    figures = await _measure_text(rehearsal)
    with counting_late_lines() as late:
        sound = await _measure_sound(rehearsal)
    return {**figures, **sound, "slower_than_realtime_lines": float(len(late))}


class _LateLines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "slower than realtime" in record.getMessage():
            self.lines.append(record.getMessage())


@contextmanager
def counting_late_lines() -> Iterator[list[str]]:
    """Collect the framework's warnings that a model is slower than the callee speaks."""
    handler, logger = _LateLines(), logging.getLogger("livekit.agents")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING)
    try:
        yield handler.lines
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


async def _measure_text(rehearsal: Rehearsal) -> dict[str, float]:
    script = next(script for script in rehearsal.scripts if script.label == "another day")
    began, cpu = time.monotonic(), time.process_time()
    for _ in range(TEXT_SCRIPTS):
        await rehearse(rehearsal, script, mode="text")
    return {
        "text_scripts_100_seconds": time.monotonic() - began,
        "text_script_cpu_ms": (time.process_time() - cpu) / TEXT_SCRIPTS * 1000,
    }


async def _measure_sound(rehearsal: Rehearsal) -> dict[str, float]:
    """Talk with several callees at once: one process, as jobs share a machine."""
    steps = (Step("Who is calling?"), Step("Yes, of course"))
    # The agent ends it, and the room is gone a moment after its last word.
    end = {"by": "agent"}
    talking = replace(rehearsal, mode="audio")
    at_once = replace(talking, agent={**talking.agent, "voicemail": {"detection": "off"}})
    silent = Script("silent", answers="silence", greeting="")
    # The first loads the voice.
    await rehearse(talking, rehearsal.scripts[3])
    began, cpu = time.monotonic(), time.process_time()
    script = Script("bench", steps=steps, end=end)
    results = await asyncio.gather(
        *(_begin_later(number, talking, script) for number in range(BENCH_CALLS))
    )
    seconds, cpu_seconds = time.monotonic() - began, time.process_time() - cpu
    no_detection = Script("at once", greeting="", steps=steps[1:])
    immediate, quiet = await asyncio.gather(
        asyncio.gather(*(rehearse(at_once, no_detection) for _ in range(BENCH_CALLS // 2))),
        asyncio.gather(rehearse(talking, silent)),
    )
    greetings = [result.greeting_to_audio or 0.0 for result in results]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "spoken_calls_at_once": BENCH_CALLS,
        "answer_to_audio_p95_seconds": percentile(_latency(immediate, "answer_to_audio"), 95)
        or 0.0,
        "greeting_to_audio_p95_seconds": percentile(greetings, 95) or 0.0,
        "silent_callee_to_audio_seconds": max(_latency(quiet, "answer_to_audio")),
        "end_of_speech_to_audio_p50_seconds": percentile(_latency(results, "p50"), 50) or 0.0,
        "end_of_speech_to_audio_p95_seconds": percentile(_latency(results, "p95"), 95) or 0.0,
        "last_word_to_hang_up_seconds": max(result.last_word_to_hang_up for result in results),
        "spoken_call_cores": cpu_seconds / seconds / BENCH_CALLS,
        "spoken_word_error_rate": _word_error_rate(results),
        "process_peak_mb": peak,
    }


async def _begin_later(number: int, rehearsal: Rehearsal, script: Script) -> Result:
    await asyncio.sleep(number * BENCH_STAGGER_SECONDS)
    return await rehearse(rehearsal, script)


def _latency(results: Sequence[Result], name: str) -> list[float]:
    usages = [event for result in results for event in result.events if event["type"] == "usage"]
    return [event["latency"].get(name, 0.0) for event in usages]


def _word_error_rate(results: Sequence[Result]) -> float:
    rates = [sentence["word_error_rate"] for result in results for sentence in result.heard]
    return sum(rates) / len(rates) if rates else 1.0
