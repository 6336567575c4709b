"""`python -m voice bench`: the figures of this machine, one `figure NAME VALUE` per line.

What cannot be measured without a media server is left out, and said.
"""

import argparse
import asyncio
import os
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from voice.conversation.figures import percentile
from voice.rehearsal.command import DEMO
from voice.rehearsal.run import rehearse
from voice.rehearsal.script import Rehearsal, Script, Step, read_rehearsal
from voice.rehearsal.verdict import Result

TEXT_SCRIPTS = 100
BENCH_CALLS = 10
# Promises: what is exceeded makes the exit status 1.
PROMISES = {
    "text_script_cpu_ms": 20.0,
    "text_scripts_100_seconds": 5.0,
    "answer_to_audio_p95_seconds": 1.0,
    "greeting_to_audio_p95_seconds": 1.5,
    "silent_callee_to_audio_seconds": 4.0,
    "end_of_speech_to_audio_p50_seconds": 0.5,
    "end_of_speech_to_audio_p95_seconds": 1.0,
    "spoken_call_cores": 0.15,
    "spoken_word_error_rate": 0.1,
}


def run(options: argparse.Namespace) -> int:
    """Measure, print, and return 1 when a promise is broken."""
    rehearsal = read_rehearsal(DEMO)
    figures = asyncio.run(_measure(rehearsal))
    for name, value in figures.items():
        sys.stdout.write(f"figure {name} {value:.3f}\n")
    if not os.environ.get("LIVEKIT_SERVER_BIN"):
        sys.stdout.write("Not measured without LIVEKIT_SERVER_BIN: figures over WebRTC\n")
    broken = [name for name, limit in PROMISES.items() if figures.get(name, 0.0) > limit]
    for name in broken:
        sys.stdout.write(f"promise broken: {name} is {figures[name]:.3f}, not {PROMISES[name]}\n")
    return 1 if broken else 0


async def _measure(rehearsal: Rehearsal) -> dict[str, float]:
    await rehearse(rehearsal, rehearsal.scripts[0], mode="text")
    figures = await _measure_text(rehearsal)
    return {**figures, **await _measure_sound(rehearsal)}


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
    talking = replace(rehearsal, mode="audio")
    at_once = replace(talking, agent={**talking.agent, "voicemail": {"detection": "off"}})
    silent = Script("silent", answers="silence", greeting="")
    # The first loads the voice.
    await rehearse(talking, rehearsal.scripts[3])
    began, cpu = time.monotonic(), time.process_time()
    script = Script("bench", steps=steps)
    results = await asyncio.gather(*(rehearse(talking, script) for _ in range(BENCH_CALLS)))
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
        "spoken_call_cores": cpu_seconds / seconds / BENCH_CALLS,
        "spoken_word_error_rate": _word_error_rate(results),
        "process_peak_mb": peak,
    }


def _latency(results: Sequence[Result], name: str) -> list[float]:
    usages = [event for result in results for event in result.events if event["type"] == "usage"]
    return [event["latency"].get(name, 0.0) for event in usages]


def _word_error_rate(results: Sequence[Result]) -> float:
    rates = [sentence["word_error_rate"] for result in results for sentence in result.heard]
    return sum(rates) / len(rates) if rates else 1.0
