"""What voice workers can speak with: reported by themselves, and compared with what agents need.

Workers run elsewhere, may not be started yet, or may be other programs, which report nothing. So
this only warns, and only while some worker has reported.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F, QuerySet

from agents.models import AgentVersion, VoiceWorker
from voiceops.core.clock import database_now

PART_KINDS = ("llm", "stt", "tts")
# Workers report every minute. One that is silent for longer counts only while no other is heard.
FRESH_REPORT_AGE = timedelta(minutes=5)
KEPT_REPORT_AGE = timedelta(days=7)
# The newest: every overview asks for their warnings, and a longer list is read by nobody.
MAX_COMPARED_AGENTS = 500


@dataclass(frozen=True)
class Need:
    """What a part of an agent asks of a worker; an empty provider is the worker's default."""

    part: str
    provider: str
    model: str
    language: str


@dataclass(frozen=True)
class UnspokenVersion:
    """A published version that no worker can play, with a sentence for each reason."""

    agent_id: UUID
    name: str
    workspace_name: str
    version: int
    warnings: list[str]


def record_voice_worker(*, name: str, **fields: Any) -> VoiceWorker:
    """Keep what a worker reports in place of its last report, and forget those long silent."""
    now = database_now()
    worker, _ = VoiceWorker.objects.update_or_create(
        name=name, defaults={**fields, "reported_at": now}
    )
    VoiceWorker.objects.filter(reported_at__lt=now - KEPT_REPORT_AGE).delete()
    return worker


def list_voice_workers() -> list[VoiceWorker]:
    """Return the workers that calls of this installation may reach, by name."""
    workers = list(
        VoiceWorker.objects.filter(agent_name=settings.LIVEKIT_AGENT_NAME).order_by("name")
    )
    since = database_now() - FRESH_REPORT_AGE
    return [worker for worker in workers if worker.reported_at >= since] or workers


def find_speech_warnings(config: Mapping[str, Any], workers: Sequence[VoiceWorker]) -> list[str]:
    """Return a sentence for each part of a configuration that no worker can play; none without
    workers.
    """
    if not workers:
        return []
    needs = list(_needs_of(config))
    faults = [_fault_everywhere(need, workers) for need in needs]
    warnings = [fault for fault in dict.fromkeys(faults) if fault is not None]
    if not warnings and not any(_speaks_all(worker, needs) for worker in workers):
        names = dict.fromkeys(f"{need.provider} ({need.part})" for need in needs if need.provider)
        warnings = [f"No voice worker here speaks all of {', '.join(names)}"]
    return warnings


def find_unspoken_versions(versions: QuerySet[AgentVersion]) -> list[UnspokenVersion]:
    """Return those of the versions which calls run and no worker can play, the newest agents
    first; none without workers.
    """
    workers = list_voice_workers()
    if not workers:
        return []
    # Only these of a configuration: prompts are long, and secrets are not needed.
    fields = {f"config__{name}": name for name in ("language", *PART_KINDS)}
    published = versions.filter(number=F("agent__published_version"), agent__deleted_at=None)
    rows = published.order_by("-agent_id").values(
        "agent_id", "agent__name", "workspace__name", "number", *fields
    )
    found = []
    for row in rows[:MAX_COMPARED_AGENTS]:
        config = {name: row[path] for path, name in fields.items()}
        if warnings := find_speech_warnings(config, workers):
            names = (row["agent__name"], row["workspace__name"])
            found.append(UnspokenVersion(row["agent_id"], *names, row["number"], warnings))
    return found


def _needs_of(config: Mapping[str, Any]) -> Iterator[Need]:
    for part in PART_KINDS:
        section = config.get(part) or {}
        for options in (section, *(section.get("fallbacks") or ())):
            yield Need(
                part,
                str(options.get("provider") or ""),
                str(options.get("model") or ""),
                str(config.get("language") or ""),
            )


def _fault_everywhere(need: Need, workers: Sequence[VoiceWorker]) -> str | None:
    """Return in a sentence why no worker can play a part, by the one that comes nearest."""
    faults = [_fault_at(worker, need) for worker in workers]
    found = [fault for fault in faults if fault is not None]
    return min(found)[1] if len(found) == len(workers) else None


def _speaks_all(worker: VoiceWorker, needs: Sequence[Need]) -> bool:
    return all(_fault_at(worker, need) is None for need in needs)


def _fault_at(worker: VoiceWorker, need: Need) -> tuple[int, str] | None:
    """Return what keeps a worker from playing a part, with its distance from being able to."""
    name = need.provider or worker.default_provider
    found = f"No voice worker here speaks {name} ({need.part})"
    provider = next((item for item in worker.providers if item["name"] == name), None)
    if provider is None:
        return 5, f"{found}: it is not known there"
    part = next((item for item in provider["parts"] if item["kind"] == need.part), None)
    if part is None:
        return 4, f"{found}: it has no such part"
    if not part["has_package"]:
        return 3, f"{found}: its package is not installed"
    if not part["has_keys"]:
        return 2, f"{found}: its key is missing"
    if need.model and part["models"] is not None and need.model not in part["models"]:
        return 1, f"{found} with the model {need.model}"
    languages = part["languages"]
    if languages is not None and need.language.lower().partition("-")[0] not in languages:
        return 0, f"{found} in {need.language}"
    return None
