"""The doctor's checks of voice workers: who has reported, and which agents they cannot play."""

from collections.abc import Iterator, Sequence

from agents.models import VoiceWorker
from agents.voice_workers import find_speech_warnings, list_voice_workers
from ops.checking.findings import Finding, join_first, ok, warning
from ops.checking.installation_checks import newest_published_versions
from voiceops.core.clock import database_now
from voiceops.core.crypto import DecryptError

CHECK_NAME = "voice"


def check_voice_workers() -> Iterator[Finding]:
    """What workers have reported, and published agents that none can play; nothing while none has
    reported: it may be another program.
    """
    workers = list_voice_workers()
    if not workers:
        return
    yield ok(CHECK_NAME, "; ".join(describe_voice_worker(worker) for worker in workers))
    faults = _find_faults(workers)
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


def _find_faults(workers: Sequence[VoiceWorker]) -> list[str]:
    """Return the warnings of published agents, each with the agents' names."""
    names: dict[str, list[str]] = {}
    for version in newest_published_versions():
        try:
            config = version.config_with_secrets()
        except DecryptError:
            continue  # `secrets` reports it
        for fault in find_speech_warnings(config, workers):
            names.setdefault(fault, []).append(version.agent.name)
    return [f"{fault}, which {join_first(of)} needs" for fault, of in names.items()]
