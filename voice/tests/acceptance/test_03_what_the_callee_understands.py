"""`python -m voice rehearse --audio`: what the callee hears is what the agent said."""

import asyncio
import json
import sys
from typing import Any

import pytest

from voice.settings import REPOSITORY

pytestmark = pytest.mark.spoken


async def rehearse(*flags: str) -> tuple[int, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "voice", "rehearse", "--audio", "--json", *flags),
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, json.loads(output)["scripts"]


async def test_the_demo_agent_is_understood_at_8_khz_and_at_16_khz() -> None:
    narrow, wide = await asyncio.gather(rehearse(), rehearse("--wideband"))

    for status, results in (narrow, wide):
        heard = [sentence for script in results for sentence in script["heard"]]
        assert (status, [script["failures"] for script in results]) == (0, [[]] * 5)
        assert len(heard) >= 8
        assert max(sentence["word_error_rate"] for sentence in heard) <= 0.1
