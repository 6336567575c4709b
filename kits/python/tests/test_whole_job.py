"""The main job against a real installation on the sandbox, by both clients and by the example."""

import asyncio
import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from examples import whole_job

from tests.installation import NUMBER, Installation
from voiceops import AsyncVoiceOps, NotListed, VoiceOps

OUTCOMES = {
    "+12025550100": "answered",
    "+12025550160": "no_answer",
    "+12025550170": "busy",
}


def test_the_example_does_the_whole_job(installation: Installation, list_file: Path) -> None:
    login = {"VOICEOPS_URL": installation.url, "VOICEOPS_API_KEY": installation.api_key}

    done = subprocess.run(
        [sys.executable, whole_job.__file__, str(list_file)],
        env={**os.environ, **login},
        text=True,
        capture_output=True,
        timeout=90,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    for number, outcome in OUTCOMES.items():
        assert f"{number} {outcome}\n" in done.stdout
    with list_file.with_name("people-results.csv").open(encoding="utf-8-sig", newline="") as file:
        assert {row["phone"]: row["outcome"] for row in csv.DictReader(file)} == OUTCOMES
    assert len(Path(whole_job.__file__).read_text().splitlines()) <= 110


async def test_the_client_for_asyncio_does_the_whole_job(
    installation: Installation, voiceops: VoiceOps, list_file: Path, tmp_path: Path
) -> None:
    fields: dict[str, Any] = {
        "agent_id": whole_job.prepare_agent(voiceops).id,
        "phone_number_id": whole_job.prepare_number(voiceops).id,
    }
    async with AsyncVoiceOps(installation.url, api_key=installation.api_key) as client:
        assert (await client.phone_numbers.find(NUMBER)).id == fields["phone_number_id"]
        with pytest.raises(NotListed, match="There is no agent named 'Remind'"):
            await client.agents.find("Remind")
        preview = await client.batches.preview_upload(list_file, **fields)
        batch = await client.batches.upload(
            list_file.read_bytes(),
            file_name="march.csv",
            retry={"max_attempts": 1},
            calling_window={
                "timezone": "UTC",
                "days": [1, 2, 3, 4, 5, 6, 7],
                "start": "00:00",
                "end": "24:00",
            },
            **fields,
        )
        while (batch := await client.batches.get(batch.id)).status == "validating":
            await asyncio.sleep(0.1)
        await client.batches.start(batch.id)
        statuses = [progress.status async for progress in client.batches.watch(batch.id)]
        recipients = [each async for each in client.batches.recipients(batch.id)]
        saved = await client.batches.save_results(batch.id, tmp_path / "results.xlsx")

    assert preview.counts["valid"] == 3
    assert (batch.name, statuses[-1]) == ("march", "completed")
    assert {each.phone_number: each.outcome for each in recipients} == OUTCOMES
    assert [each.variables["name"] for each in recipients] == ["Ada", "Grace", "Alan"]
    assert saved.read_bytes().startswith(b"PK")


def test_lists_are_iterators_over_all_their_pages(voiceops: VoiceOps) -> None:
    fields: dict[str, Any] = {"system_prompt": "Remind"}
    names = [voiceops.agents.create(name=f"Paged {each}", **fields).name for each in range(3)]

    listed = voiceops.agents.list(search="Paged", sort="name")
    page = listed.page(2, page_size=2)

    assert [agent.name for agent in listed] == names
    assert ([agent.name for agent in page.items], page.total, page.page) == ([names[2]], 3, 2)
