"""`python -m voice doctor`: what this worker can speak with, and what is missing."""

import argparse
import sys
import urllib.error
import urllib.request

from voice.providers.local_abilities import find_local_faults
from voice.providers.registry import PART_KINDS, PROVIDERS, default_provider, find_fault
from voice.settings import Settings, SettingsError, check_spool, read_settings
from voice.worker.abilities import report_abilities

CHECK_TIMEOUT_SECONDS = 5.0


def run(options: argparse.Namespace) -> int:
    """Print one line for each provider and for LiveKit. Returns 1 when calls cannot be served."""
    try:
        settings = read_settings()
        check_spool(settings)
    except SettingsError as error:
        sys.stdout.write(f"✗ {error}\n")
        return 1
    for line in provider_lines():
        sys.stdout.write(line + "\n")
    fault = report_abilities(settings)
    known = f"VoiceOps at {settings.public_url} knows what this worker can speak with"
    sys.stdout.write(f"- {fault}\n" if fault else f"✓ {known}\n")
    reachable, line = check_livekit(settings)
    sys.stdout.write(line + "\n")
    return 0 if reachable else 1


def provider_lines() -> list[str]:
    """Return one line for each provider: ready, or what is missing; and one more when that of
    agents that name none is not ready.
    """
    width = max(map(len, PROVIDERS))
    lines = []
    for name, provider in PROVIDERS.items():
        fault = find_fault(name, provider.parts[0])
        what = ", ".join(kind for kind in PART_KINDS if kind in provider.parts)
        if fault is not None:
            lines.append(f"- {name:<{width}}  not ready: {fault}")
        else:
            lines.append(f"✓ {name:<{width}}  ready: {what}{_detail(name)}")
    if fault := find_fault(default_provider(), PART_KINDS[0]):
        lines.append(f"✗ VOICE_DEFAULT_PROVIDER: {fault}")
    return lines


def _detail(name: str) -> str:
    if name == "local":
        faults = find_local_faults()
        return f" ({'; '.join(faults)})" if faults else ""
    return ""


def check_livekit(settings: Settings) -> tuple[bool, str]:
    """Return whether LiveKit can be reached, and a line that says so."""
    try:
        with urllib.request.urlopen(settings.livekit_url, timeout=CHECK_TIMEOUT_SECONDS):  # noqa: S310
            pass
    except urllib.error.HTTPError:
        pass  # it answered
    except OSError as error:
        reason = getattr(error, "reason", error)
        return False, f"✗ LiveKit at {settings.livekit_url} cannot be reached: {reason}"
    return True, f"✓ LiveKit answers at {settings.livekit_url}"
