"""Reserved calls: loaded, kept under a lease, or closed unsent."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Workspace
from agents.models import AgentVersion
from telephony.dialing.jobs import (
    calls_with_agent,
    close_unsent,
    ended_calls,
    load_jobs,
    renew_leases,
)
from telephony.domain.dial_verdicts import NO_AGENT, RELEASED
from telephony.models import PhoneNumber, Stage
from tests import make
from tests.telephony.dialing.conftest import OWNER, intent, reserved, stored
from voiceops.core.clock import database_now
from voiceops.core.ids import uuid7


def test_job_has_the_trunk_of_its_number(number: PhoneNumber) -> None:
    make.sip_trunk(number.workspace, phone_number=number, direction="inbound")
    outbound = number.trunks.get(direction="outbound")

    assert reserved(number).trunk_id == outbound.livekit_trunk_id


def test_job_of_a_call_without_a_number_has_no_trunk(ours: Workspace) -> None:
    [job] = load_jobs([make.call(ours).pk])

    assert job.trunk_id == ""


def test_jobs_come_oldest_first(number: PhoneNumber) -> None:
    calls = [make.call(number.workspace, number=number) for _ in range(3)]

    jobs = load_jobs(reversed([call.pk for call in calls]))

    assert [job.call for job in jobs] == calls


def test_job_has_the_frozen_agent(ours: Workspace, number: PhoneNumber) -> None:
    agent = make.agent(ours, system_prompt="Be brief.")

    assert reserved(number, agent=agent).config["system_prompt"] == "Be brief."


def test_call_whose_agent_cannot_be_decrypted_is_closed_and_the_others_are_loaded(
    ours: Workspace, number: PhoneNumber, caplog: pytest.LogCaptureFixture
) -> None:
    broken = make.agent(ours)
    AgentVersion.unscoped.filter(agent=broken).update(sealed="not a token")
    unreadable = make.call(ours, number=number, agent=broken)
    readable = make.call(ours, number=number)

    jobs = load_jobs([unreadable.pk, readable.pk])

    assert [job.call for job in jobs] == [readable]
    assert (stored(unreadable).stage, stored(unreadable).end_reason) == (
        Stage.ENDED,
        "agent_unreadable",
    )
    assert str(unreadable.pk) in caplog.text


@pytest.mark.parametrize("stage", [Stage.RESERVED, Stage.INTENT, Stage.RINGING])
def test_lease_of_an_unanswered_call_is_renewed(number: PhoneNumber, stage: Stage) -> None:
    job = reserved(number, stage=stage, lease_expires_at=timezone.now())

    renew_leases(OWNER, [job.call.pk])

    expires_at = stored(job).lease_expires_at
    assert expires_at is not None
    assert timedelta(seconds=14) < expires_at - database_now() <= timedelta(seconds=15)


@pytest.mark.parametrize("stage", [Stage.IN_PROGRESS, Stage.ENDED])
def test_lease_of_a_call_that_awaits_no_answer_is_left_alone(
    number: PhoneNumber, stage: Stage
) -> None:
    job = reserved(number, stage=stage, lease_expires_at=None)

    renew_leases(OWNER, [job.call.pk])

    assert stored(job).lease_expires_at is None


def test_lease_of_another_owner_is_left_alone(number: PhoneNumber) -> None:
    job = reserved(number, lease_owner=uuid7(), lease_expires_at=None)

    renew_leases(OWNER, [job.call.pk])

    assert stored(job).lease_expires_at is None


def test_calls_with_agent_are_those_whose_agent_reported(number: PhoneNumber) -> None:
    joined, waiting = reserved(number), reserved(number, agent_joined_at=None)

    assert calls_with_agent([joined.call.pk, waiting.call.pk]) == {joined.call.pk}


def test_ended_calls_are_found_among_those_asked_about(number: PhoneNumber) -> None:
    ended, ringing = reserved(number, stage=Stage.ENDED), reserved(number, stage=Stage.RINGING)
    reserved(number, stage=Stage.ENDED)

    assert ended_calls([ended.call.pk, ringing.call.pk]) == {ended.call.pk}


def test_call_closed_unsent_counts_no_attempt(number: PhoneNumber) -> None:
    job = reserved(number)

    assert close_unsent([job], NO_AGENT) == [job]

    call = stored(job)
    assert (call.stage, call.end_reason) == (Stage.ENDED, "no_agent")
    assert (call.counts, call.dialed_at) == (False, None)


def test_call_whose_intent_was_committed_meanwhile_is_not_closed(number: PhoneNumber) -> None:
    waiting, sending = reserved(number), intent(number)

    assert close_unsent([waiting, sending], RELEASED) == [waiting]

    assert stored(sending).stage == Stage.INTENT
