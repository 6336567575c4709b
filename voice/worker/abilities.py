"""Reports to the control plane what this worker can speak with, so that an agent that needs
something else is noticed when it is published. It says which keys there are, and never a key.
"""

import asyncio
import json
import logging
import socket
import urllib.error
import urllib.request
from importlib.metadata import version
from typing import Any

from voice.providers.local_abilities import local_languages, local_models
from voice.providers.registry import (
    PROVIDERS,
    default_provider,
    has_keys,
    has_package,
)
from voice.settings import Settings
from voice.worker.livekit_requests import REQUEST_TIMEOUT_SECONDS, sign_body

log = logging.getLogger(__name__)

REPORT_SECONDS = 60.0
# Both may have been started at the same moment.
REPORT_AGAIN_SECONDS = 5.0


def describe_worker(settings: Settings) -> dict[str, Any]:
    """Return what this worker can speak with (`docs/reference/api-contract.md §6`)."""
    return {
        "name": f"{socket.gethostname()}:{settings.health_port}",
        "agent_name": settings.agent_name,
        "version": version("livekit-agents"),
        "max_calls": settings.max_calls,
        "default_provider": default_provider(),
        "providers": [
            {"name": name, "parts": [_describe_part(name, kind) for kind in provider.parts]}
            for name, provider in PROVIDERS.items()
        ],
    }


def _describe_part(name: str, kind: str) -> dict[str, Any]:
    is_local = name == "local"
    models = local_models(kind) if is_local else None
    return {
        "kind": kind,
        # A local part without any engine.
        "has_package": has_package(PROVIDERS[name]) and models != [],
        "has_keys": has_keys(PROVIDERS[name]),
        "models": models,
        "languages": local_languages(kind) if is_local else None,
    }


def report_abilities(settings: Settings) -> str | None:
    """Send the report once. Returns in one sentence why it was not stored, or None."""
    body = json.dumps(describe_worker(settings)).encode()
    request = urllib.request.Request(  # noqa: S310  # the operator's own address
        f"{settings.public_url}/voice-workers/report",
        data=body,
        headers={"Content-Type": "application/json", "Authorization": sign_body(settings, body)},
    )
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_SECONDS):  # noqa: S310
            return None
    except urllib.error.HTTPError as error:
        why = "has another LIVEKIT_API_SECRET" if error.code == 401 else f"answers {error.code}"
        return f"VoiceOps at {settings.public_url} {why}"
    except OSError as error:
        reason = getattr(error, "reason", error)
        return f"VoiceOps at {settings.public_url} cannot be reached: {reason}"


async def keep_reporting(settings: Settings) -> None:
    """Report every minute, for ever; why that fails is logged when it changes."""
    loop = asyncio.get_running_loop()
    logged = None
    while True:
        fault = await loop.run_in_executor(None, report_abilities, settings)
        if fault is not None and fault != logged:
            log.warning("What this worker can speak with is not known there: %s", fault)
        logged = fault
        await asyncio.sleep(REPORT_AGAIN_SECONDS if fault else REPORT_SECONDS)
