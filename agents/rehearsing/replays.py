"""Replays: what the callees of real calls said, said again to an agent's draft."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from accounts.models import Workspace
from agents.models import Rehearsal
from voiceops.core.errors import NotFound, StateForbids
from voiceops.core.extension_points import ExtensionPoint

MAX_REPLAYED_CALLS = 20  # at once; each is a conversation

CallReader: TypeAlias = Callable[[Workspace, Collection[UUID]], Mapping[UUID, Mapping[str, Any]]]
CALL_READERS: ExtensionPoint[CallReader] = ExtensionPoint("readers of calls to replay")


def read_calls(workspace: Workspace, ids: Sequence[UUID]) -> list[Mapping[str, Any]]:
    """Return calls of the workspace as `python -m voice replay` reads them.

    Raises NotFound for one that is not there, StateForbids for one of which nothing is known to
    have been said.
    """
    read = CALL_READERS.get()
    found = read(workspace, ids)
    for pk in ids:
        if pk not in found:
            raise NotFound("Call not found")
        if not any(event["type"] == "turn" for event in found[pk]["events"]):
            raise StateForbids(f"The call {pk} has no transcript to replay")
    return [found[pk] for pk in ids]


def forget_calls(workspace: Workspace, ids: Collection[UUID]) -> None:
    """Delete what was said on these calls from the rehearsals that replayed them."""
    names = {str(pk) for pk in ids}
    rows = Rehearsal.unscoped.filter(workspace=workspace, replay__isnull=False)
    for rehearsal in rows.only("replay", "results"):
        if names.intersection(rehearsal.replay or ()):
            rehearsal.results = [
                _without_words(result) if result["name"] in names else result
                for result in rehearsal.results
            ]
            rehearsal.save(update_fields=["results"])


def _without_words(result: Mapping[str, Any]) -> dict[str, Any]:
    replay = result["replay"]
    then = {**replay["then"], "turns": [], "tools": []}
    return {
        **result,
        "turns": [],
        "tools": [],
        "replay": {**replay, "then": then, "exchanges": []},
    }
