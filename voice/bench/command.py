"""`python -m voice bench`: the figures of this machine, one `figure NAME VALUE` per line, with its
goal and whether that was held.

What cannot be measured without a media server is left out, and said.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from voice.bench.processes import measure_processes
from voice.bench.talks import measure_talks
from voice.rehearsal.command import DEMO
from voice.rehearsal.script import read_rehearsal

# A goal that is exceeded makes the exit status 1.
VOICE_GOALS = {
    "text_script_cpu_ms": 20.0,
    "text_scripts_100_seconds": 5.0,
    "answer_to_audio_p95_seconds": 1.0,
    "greeting_to_audio_p95_seconds": 1.5,
    "silent_callee_to_audio_seconds": 4.0,
    "end_of_speech_to_audio_p50_seconds": 0.5,
    "end_of_speech_to_audio_p95_seconds": 1.0,
    "last_word_to_hang_up_seconds": 2.5,
    "spoken_call_cores": 0.15,
    "spoken_word_error_rate": 0.1,
    # The framework's own warning that it hears later than it should.
    "slower_than_realtime_lines": 0.0,
    "register_seconds": 6.0,
    # With the local voice loaded; 300 without.
    "idle_worker_pss_mb": 550.0,
    "idle_process_uss_mb": 15.0,
    "call_process_uss_mb": 90.0,
    "killed_job_to_end_seconds": 4.0,
}


def run(options: argparse.Namespace) -> int:
    """Measure, print, and return 1 when a goal is missed."""
    figures = asyncio.run(_measure())
    missed = [name for name, goal in VOICE_GOALS.items() if figures[name] > goal]
    for name, value in figures.items():
        verdict = "missed" if name in missed else "held"
        goal = f" (goal {VOICE_GOALS[name]:g}, {verdict})" if name in VOICE_GOALS else ""
        sys.stdout.write(f"figure {name} {value:.3f}{goal}\n")
    if not os.environ.get("LIVEKIT_SERVER_BIN"):
        sys.stdout.write("Not measured without LIVEKIT_SERVER_BIN: figures over WebRTC\n")
    sys.stdout.write(f"{len(VOICE_GOALS) - len(missed)} of {len(VOICE_GOALS)} goals held\n")
    return 1 if missed else 0


async def _measure() -> dict[str, float]:
    talks = await measure_talks(read_rehearsal(DEMO))
    with tempfile.TemporaryDirectory(prefix="voice-bench-") as folder:
        return {**talks, **await measure_processes(Path(folder))}
