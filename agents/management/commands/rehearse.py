"""`manage.py rehearse AGENT`: an agent's scripts against its draft, in this process."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from agents.models import Agent, Rehearsal
from agents.rehearsing.rehearsals import (
    REHEARSAL_MODES,
    claim_rehearsal,
    count_passed,
    order_rehearsal,
    order_replay,
    run_rehearsal,
)
from agents.rehearsing.replays import MAX_REPLAYED_CALLS
from voiceops.core.errors import DomainError
from voiceops.core.side_by_side import side_by_side


class Command(BaseCommand):
    help = "Rehearses an agent's draft with its scripts, and keeps the result, as the API does."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("agent", help="its id, or its name where only one agent has it")
        parser.add_argument("--script", action="append", help="only scripts with this label or tag")
        parser.add_argument("--mode", choices=REHEARSAL_MODES, help="instead of the scripts' own")
        parser.add_argument(
            "--replay",
            nargs="+",
            type=UUID,
            metavar="CALL_ID",
            help="instead of scripts, let the draft hear the callees of these calls",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError when a script failed, and when nothing could be rehearsed."""
        agent, calls = _find_agent(options["agent"]), options["replay"]
        if calls and len(calls) > MAX_REPLAYED_CALLS:
            raise CommandError(f"No more than {MAX_REPLAYED_CALLS} calls are replayed at once.")
        if calls and (options["script"] or options["mode"] == "audio"):
            raise CommandError("Calls are replayed in text, and without scripts.")
        order = {"names": options["script"], "mode": options["mode"]}
        try:
            # In one transaction, so that no worker is quicker to claim it.
            with transaction.atomic():
                if calls:
                    rehearsal = order_replay(agent=agent, call_ids=calls)
                else:
                    rehearsal = order_rehearsal(agent=agent, **order)
                claim_rehearsal(rehearsal.pk)
        except DomainError as refusal:
            raise CommandError(f"{refusal}.") from refusal
        rehearsal.refresh_from_db()
        run_rehearsal(rehearsal)
        self._report(rehearsal)

    def _report(self, rehearsal: Rehearsal) -> None:
        """Print the conversations and the verdicts. Raises CommandError unless all passed."""
        if rehearsal.error:
            raise CommandError(rehearsal.error)
        for result in rehearsal.results:
            lines = (
                side_by_side(result["replay"], result["end_reason"])
                if result["replay"]
                else _conversation(result)
            )
            for line in lines:
                self.stdout.write(line)
        if rehearsal.replay:
            return
        passed = count_passed(rehearsal.results)
        self.stdout.write(f"{passed} of {len(rehearsal.results)} scripts passed")
        if rehearsal.status != Rehearsal.Status.PASSED:
            raise CommandError("Not every script passed.")


def _conversation(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was said in a script, and its failures."""
    yield f"--- {result['name']}"
    for turn in result["turns"]:
        yield f"{turn['role']:>7}: {turn['text']}"
    for failure in (*result["failures"], *filter(None, [result.get("not_run")])):
        yield f"        {failure}"


def _find_agent(text: str) -> Agent:
    """Raises CommandError unless exactly one agent is meant."""
    live = Agent.unscoped.live().select_related("workspace")
    try:
        found = list(live.filter(pk=UUID(text)))
    except ValueError:
        found = list(live.filter(name=text)[:2])
    if len(found) != 1:
        raise CommandError(f"{'No agent' if not found else 'More than one agent'} is {text!r}.")
    return found[0]
