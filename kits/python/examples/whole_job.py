"""The whole job: an agent and a number, a list, its preview, the calls, the results.

    VOICEOPS_URL=http://127.0.0.1:8000 VOICEOPS_API_KEY=vo_… python whole_job.py list.csv

What is there already is used again, so that the program can be run for every list.
"""

import os
import sys
from pathlib import Path

from voiceops import NotListed, VoiceOps, VoiceOpsError, models

AGENT_NAME = "Reminder"
NUMBER = "+12025550199"


def main(file: Path) -> None:
    url, api_key = os.environ["VOICEOPS_URL"], os.environ["VOICEOPS_API_KEY"]
    with VoiceOps(url, api_key=api_key) as voiceops:
        agent, number = prepare_agent(voiceops), prepare_number(voiceops)
        show_preview(voiceops, file, agent, number)
        batch = upload(voiceops, file, agent, number)
        follow(voiceops, batch)
        show_results(voiceops, batch, file.with_name(f"{file.stem}-results.csv"))


def prepare_agent(voiceops: VoiceOps) -> models.Agent:
    """Find the agent, or create it; only a published agent can call."""
    try:
        agent = voiceops.agents.find(AGENT_NAME)
    except NotListed:
        agent = voiceops.agents.create(
            name=AGENT_NAME,
            system_prompt="Remind {{name}} of the appointment tomorrow. Be brief and friendly.",
            first_message="Hello {{name}}, this is a reminder of your appointment tomorrow.",
            variables=[{"name": "name", "default": "there"}],
            max_call_duration_seconds=120,
        )
    if not agent.published_version:
        voiceops.agents.publish(agent.id)
    return agent


def prepare_number(voiceops: VoiceOps) -> models.PhoneNumber:
    """Find the number to call from, or register it with the SIP trunk of its carrier."""
    try:
        return voiceops.phone_numbers.find(NUMBER)
    except NotListed:
        return voiceops.phone_numbers.create(
            phone_number=NUMBER,
            provider="sip",
            sip={"address": "sip.example.com"},
            calls_per_second=20,
            max_concurrent_calls=100,
        )


def show_preview(
    voiceops: VoiceOps, file: Path, agent: models.Agent, number: models.PhoneNumber
) -> None:
    """Print what the upload would do: nothing is stored, nobody is called."""
    preview = voiceops.batches.preview_upload(
        file, agent_id=agent.id, phone_number_id=number.id, default_country="US"
    )
    print("Preview:", ", ".join(f"{count} {name}" for name, count in preview.counts.items()))
    for reason in preview.not_called_reasons:
        print(f"  {reason.count} will not be called: {reason.text} {reason.next_step}")


def upload(
    voiceops: VoiceOps, file: Path, agent: models.Agent, number: models.PhoneNumber
) -> models.Batch:
    """Upload the list; the batch starts as soon as the server has read it."""
    return voiceops.batches.upload(
        file, agent_id=agent.id, phone_number_id=number.id, default_country="US", start="now"
    )


def follow(voiceops: VoiceOps, batch: models.Batch) -> None:
    for progress in voiceops.batches.watch(batch.id):
        counts = progress.counts
        print(f"{progress.status}: {counts.completed} of {counts.total} completed")


def show_results(voiceops: VoiceOps, batch: models.Batch, file: Path) -> None:
    for recipient in voiceops.batches.recipients(batch.id):
        print(recipient.phone_number, recipient.outcome or recipient.status)
    print("Results:", voiceops.batches.save_results(batch.id, file))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except VoiceOpsError as error:
        sys.exit(str(error))
