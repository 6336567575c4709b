"""The doctor's checks of voice workers: who has reported, and which agents they cannot play."""

from collections.abc import Iterator

from agents.models import AgentVersion, VoiceWorker
from agents.voice_workers import find_unspoken_versions, list_voice_workers
from ops.checking.findings import Finding, join_first, ok, warning
from voiceops.core.clock import database_now

CHECK_NAME = "voice"


def check_voice_workers() -> Iterator[Finding]:
    """What workers have reported, and published agents that none can play; nothing while none has
    reported: it may be another program.
    """
    workers = list_voice_workers()
    if not workers:
        return
    yield ok(CHECK_NAME, "; ".join(describe_voice_worker(worker) for worker in workers))
    faults = _find_faults()
    if faults:
        fix = "set the keys where the worker runs: python -m voice doctor names them"
        yield warning(CHECK_NAME, join_first(faults), fix)


def describe_voice_worker(worker: VoiceWorker) -> str:
    """Return who has reported, how long ago, and which providers are ready there."""
    seconds = (database_now() - worker.reported_at).total_seconds()
    age = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    ready = [
        provider["name"]
        for provider in worker.providers
        if any(part["has_package"] and part["has_keys"] for part in provider["parts"])
    ]
    return f"{worker.name} ({age} ago) speaks {', '.join(ready) or 'nothing'}"


def _find_faults() -> list[str]:
    """Return the warnings of published agents, each with the agents' names."""
    names: dict[str, list[str]] = {}
    for version in find_unspoken_versions(AgentVersion.unscoped.all()):
        for fault in version.warnings:
            names.setdefault(fault, []).append(version.name)
    return [f"{fault}, which {join_first(of)} needs" for fault, of in names.items()]
