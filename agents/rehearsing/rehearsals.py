"""Rehearsals: an agent's scripts, their runs by a worker, and the publishing that waits for them.

A rehearsal is a row that a task carries out under a lease, which it extends while it runs:
`worker/tasks.py` wakes it, and the sweep finds what a lost message or a killed worker has left.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction
from django.db.models import Q, QuerySet

from accounts import audit
from accounts.auth.principal import Principal
from agents.models import Agent, AgentScripts, Rehearsal
from agents.rehearsing import able_workers, voice_program
from agents.rehearsing.replays import read_calls
from agents.secrets import TOOL_SECRETS
from voiceops.core import task_queue
from voiceops.core.clock import database_now
from voiceops.core.errors import Invalid, NotFound, StateForbids
from voiceops.core.fair_places import FairPlaces
from voiceops.core.isolation import run_isolated

Status = Rehearsal.Status
REHEARSAL_MODES = tuple(voice_program.REHEARSAL_TIMEOUT_SECONDS)
REPLAY_MODE = REHEARSAL_MODES[0]
MAX_WAITING_REHEARSALS = 10  # of a workspace
MAX_KEPT_REHEARSALS = 50  # of an agent
# Of one process, and no workspace has both: a spoken rehearsal takes minutes.
REHEARSALS_PER_PROCESS = 2
# Extended with every beat of the run, so that another worker soon takes over from a killed one.
REHEARSAL_LEASE = timedelta(seconds=30)
REHEARSAL_CRASHED = "It failed unexpectedly; the worker's log says why"
KEPT_RESULT_FIELDS = ("tags", "passed", "failures", "end_reason", "seconds", "heard")
places = FairPlaces()


def save_scripts(
    *,
    agent: Agent,
    content: Mapping[str, Any],
    source: str = "",
    principal: Principal | None = None,
) -> AgentScripts:
    """Write the agent's scripts in place of those it had; `source` is the YAML they came from."""
    with transaction.atomic():
        scripts, _ = AgentScripts.unscoped.update_or_create(
            agent=agent,
            defaults={"workspace_id": agent.workspace_id, "content": content, "source": source},
        )
        changes = {"scripts": [script["label"] for script in content["scripts"]]}
        audit.record("agent.scripts_changed", principal=principal, target=agent, changes=changes)
    return scripts


def scripts_of(agent: Agent) -> AgentScripts:
    """Return the agent's scripts, without any for one that has none yet."""
    scripts = AgentScripts.unscoped.filter(agent=agent).first()
    return scripts or AgentScripts(agent=agent, content={"scripts": []})


def order_rehearsal(
    *,
    agent: Agent,
    names: Sequence[str] | None = None,
    mode: str | None = None,
    principal: Principal | None = None,
) -> Rehearsal:
    """Queue a rehearsal of the agent's draft and return it.

    `names` are labels or tags of its scripts, None for all; `mode` is that of the scripts where
    None. Raises StateForbids when the agent has no scripts or too many rehearsals wait, Invalid for
    a name that no script has.
    """
    content = _content_of(agent)
    for name in names or ():
        if not any(_matches(script, [name]) for script in content["scripts"]):
            raise Invalid(f"No script has the label or tag {name}")
    return _queue(
        agent,
        principal,
        mode=mode or content.get("mode") or REHEARSAL_MODES[0],
        scripts=list(names) if names else None,
        fingerprint=fingerprint_of(agent, content),
    )


def order_replay(
    *, agent: Agent, call_ids: Sequence[UUID], principal: Principal | None = None
) -> Rehearsal:
    """Queue a rehearsal in which the draft hears the callees of past calls, and return it.

    Raises NotFound for a call that the workspace has not, StateForbids for one without a transcript
    or when too many rehearsals wait.
    """
    ids = list(dict.fromkeys(call_ids))
    read_calls(agent.workspace, ids)
    replay = [str(pk) for pk in ids]
    return _queue(
        agent,
        principal,
        mode=REPLAY_MODE,
        replay=replay,
        fingerprint=fingerprint_of(agent, {"replay": replay}),
    )


def _queue(agent: Agent, principal: Principal | None, **values: Any) -> Rehearsal:
    """Raises StateForbids when too many rehearsals wait."""
    with transaction.atomic():
        agent.workspace.lock()
        waiting = agent.workspace.rehearsals.filter(status__in=(Status.QUEUED, Status.RUNNING))
        if waiting.count() >= MAX_WAITING_REHEARSALS:
            raise StateForbids("Too many rehearsals are waiting")
        rehearsal = Rehearsal.unscoped.create(
            workspace_id=agent.workspace_id,
            agent=agent,
            version=agent.version,
            **values,
        )
        kept = agent.rehearsals.order_by("-pk").values("pk")[:MAX_KEPT_REHEARSALS]
        agent.rehearsals.exclude(pk__in=list(kept.values_list("pk", flat=True))).delete()
        audit.record("agent.rehearsed", principal=principal, target=agent)
        task_queue.enqueue_on_commit(task_queue.RUN_REHEARSALS)
    return rehearsal


def require_rehearsed(agent: Agent) -> None:
    """Check that the draft has passed every script with a tag that its workspace requires.

    Raises StateForbids when one has failed, or was not rehearsed with this draft; a required tag
    that no script has is not rehearsed either.
    """
    tags = agent.workspace.publish_requires
    if not tags:
        return
    content = scripts_of(agent).content
    wanted = {script["label"] for script in content["scripts"] if _matches(script, tags)}
    verdicts = _latest_verdicts(agent, fingerprint_of(agent, content))
    if any(verdicts.get(label) is False for label in wanted):
        raise StateForbids("Rehearsal failed")
    known_tags = {tag for script in content["scripts"] for tag in script.get("tags", ())}
    if not known_tags.issuperset(tags) or not wanted.issubset(verdicts):
        raise StateForbids("Rehearsal required")


def fingerprint_of(agent: Agent, content: Mapping[str, Any]) -> str:
    """Return what tells this draft with these scripts from every other."""
    text = orjson.dumps([rehearsed_config(agent), content], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()


def rehearsed_config(agent: Agent) -> dict[str, Any]:
    """Return the draft as it is rehearsed: without the headers of its tools, which are mocked."""
    config = agent.config()
    hidden = set(TOOL_SECRETS.values())
    tools = [
        {name: value for name, value in tool.items() if name not in hidden}
        for tool in config["tools"]
    ]
    return {**config, "tools": tools}


def run_waiting_rehearsals() -> None:
    """Carry out rehearsals, the oldest first, while there is a place for them in this process.

    One that fails unexpectedly holds back no other, and says so.
    """
    if able_workers.is_left_to_others():
        return
    for pk, workspace_id in list(_waiting().values_list("pk", "workspace_id")):
        release = places.try_reserve(str(workspace_id), total=REHEARSALS_PER_PROCESS)
        if release is None:
            continue
        try:
            if claim_rehearsal(pk):
                rows = Rehearsal.unscoped.select_related("agent__workspace")
                rehearsal = rows.get(pk=pk)
                if run_isolated(run_rehearsal, rehearsal) is None:
                    _finish(rehearsal, status=Status.ERROR, error=REHEARSAL_CRASHED)
        finally:
            release()


def enqueue_waiting_rehearsals() -> None:
    """Wake a worker for rehearsals that no process is carrying out."""
    if _waiting().exists():
        task_queue.enqueue(task_queue.RUN_REHEARSALS)


def claim_rehearsal(pk: UUID) -> bool:
    """Lease a rehearsal that waits, or whose worker has died; False when another has it."""
    now = database_now()
    rows = _waiting().filter(pk=pk)
    lease = now + REHEARSAL_LEASE
    return bool(rows.update(status=Status.RUNNING, started_at=now, lease_expires_at=lease))


def run_rehearsal(rehearsal: Rehearsal) -> bool:
    """Carry out a claimed rehearsal, and keep what came of it with the draft as it is now.

    Returns whether this worker held it to its end.
    """
    try:
        found = _replay(rehearsal) if rehearsal.replay else _rehearse(rehearsal)
    except (voice_program.RehearsalError, StateForbids, NotFound) as error:
        return _finish(rehearsal, status=Status.ERROR, error=str(error))
    results = [_result_of(script) for script in found]
    status, reason = _verdict_on(results)
    return _finish(rehearsal, status=status, error=reason, results=results)


def _rehearse(rehearsal: Rehearsal) -> list[dict[str, Any]]:
    """Raises RehearsalError and StateForbids."""
    agent = rehearsal.agent
    content = _content_of(agent)
    rehearsal.fingerprint = fingerprint_of(agent, content)
    return voice_program.rehearse_in_child(
        {**content, "agent": rehearsed_config(agent)},
        mode=rehearsal.mode,
        names=rehearsal.scripts or (),
        on_beat=lambda: _extend_lease(rehearsal),
    )


def _replay(rehearsal: Rehearsal) -> list[dict[str, Any]]:
    """Raises RehearsalError, StateForbids, and NotFound for a call that is gone meanwhile."""
    agent = rehearsal.agent
    calls = read_calls(agent.workspace, [UUID(pk) for pk in rehearsal.replay or ()])
    return voice_program.replay_in_child(
        {"agent": rehearsed_config(agent), "calls": calls},
        on_beat=lambda: _extend_lease(rehearsal),
    )


def _held(rehearsal: Rehearsal) -> QuerySet[Rehearsal]:
    """Return the row while this worker holds it: nobody has claimed or deleted it since."""
    return Rehearsal.unscoped.filter(
        pk=rehearsal.pk, status=Status.RUNNING, started_at=rehearsal.started_at
    )


def _extend_lease(rehearsal: Rehearsal) -> None:
    _held(rehearsal).update(lease_expires_at=database_now() + REHEARSAL_LEASE)


def _finish(rehearsal: Rehearsal, **values: Any) -> bool:
    """Write how it ended; False when another worker holds it now, or its agent was deleted."""
    rows = _held(rehearsal).update(
        ended_at=database_now(),
        lease_expires_at=None,
        version=rehearsal.agent.version,
        fingerprint=rehearsal.fingerprint,
        **values,
    )
    if rows:
        rehearsal.refresh_from_db()
    return bool(rows)


def count_passed(results: Iterable[Mapping[str, Any]]) -> int:
    """Return how many of a rehearsal's scripts passed."""
    return sum(bool(result["passed"]) for result in results)


def played_results(results: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the results of scripts that could be played: some need a model that is not there."""
    return [result for result in results if "not_run" not in result]


def _verdict_on(results: Sequence[Mapping[str, Any]]) -> tuple[Status, str | None]:
    """Return the status of a rehearsal, and why nothing could be played."""
    played = played_results(results)
    if results and not played:
        return Status.ERROR, results[0]["not_run"]
    passed = all(result["passed"] for result in played)
    return (Status.PASSED if passed else Status.FAILED), None


def _waiting() -> QuerySet[Rehearsal]:
    lost = Q(status=Status.RUNNING, lease_expires_at__lt=database_now())
    return Rehearsal.unscoped.filter(Q(status=Status.QUEUED) | lost).order_by("pk")


def _content_of(agent: Agent) -> dict[str, Any]:
    """Return the agent's scripts. Raises StateForbids when it has none."""
    content: dict[str, Any] = scripts_of(agent).content
    if not content["scripts"]:
        raise StateForbids("Agent has no scripts")
    return content


def _matches(script: Mapping[str, Any], names: Iterable[str]) -> bool:
    return any(name == script["label"] or name in script.get("tags", ()) for name in names)


def _latest_verdicts(agent: Agent, fingerprint: str) -> dict[str, bool]:
    """Return whether each script that was rehearsed with this draft passed when it last was."""
    verdicts: dict[str, bool] = {}
    for results in (
        agent.rehearsals.filter(fingerprint=fingerprint, replay__isnull=True)
        .order_by("pk")
        .values_list("results", flat=True)
    ):
        verdicts.update({each["name"]: each["passed"] for each in played_results(results)})
    return verdicts


def _result_of(script: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of one script as it is kept: with what was said, and which tools ran."""
    events = script["events"]
    return {
        "name": script["label"],
        **{name: script[name] for name in KEPT_RESULT_FIELDS},
        "turns": [
            {"role": event["role"], "text": event["text"]}
            for event in events
            if event["type"] == "turn"
        ],
        "tools": [
            {"name": event["name"], "arguments": event["arguments"]}
            for event in events
            if event["type"] == "tool_call"
        ],
        "replay": script["replay"],
        **_rare_fields_of(script),
    }


def _rare_fields_of(script: Mapping[str, Any]) -> dict[str, Any]:
    """Return why a script was not played, or how often it was, where that was not once."""
    if script.get("not_run"):
        return {"not_run": script["not_run"]}
    if script.get("runs", 1) == 1:
        return {}
    return {name: script[name] for name in ("runs", "passed_runs")}
