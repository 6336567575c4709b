import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from django.utils import timezone
from tqdm import tqdm

from accounts.management.workspaces import find_workspace
from accounts.models import Workspace
from agents.models import Agent
from batches.importing.phones import is_known_country
from batches.models import Batch, Recipient
from batches.reporting.progress import progress_of
from batches.services.create import create_batch
from telephony.models import PhoneNumber
from voiceops.core.errors import DomainError
from voiceops.core.terminal import check_readable

LOOK_SECONDS = 0.5
PATIENCE_SECONDS = (
    15.0  # without anything happening, before it is said that a worker may be missing
)
PIECE = 1 << 16
LIMITS = {
    "calls_per_second": (0.01, 1000),
    "max_concurrent": (1, 100_000),
}  # those of POST /batches
LONGEST_NAME = 200
NO_WORKER = (
    "Nothing is happening: is a worker running? Start one with `make serve`, or wait for one."
)


class Command(BaseCommand):
    help = "Uploads a list, starts it as a batch and watches it to its end. A worker does the calling (`make serve`)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the list: CSV or XLSX with a phone column")
        parser.add_argument("--agent", required=True, help="name (or id) of the agent, published")
        parser.add_argument(
            "--from", required=True, dest="number", help="the number to call from, as +12025550100"
        )
        parser.add_argument("--workspace", help="name (or id); not needed where there is only one")
        parser.add_argument("--name", help="the batch's name; the file's if not given")
        parser.add_argument(
            "--default-country", type=str.upper, help="for numbers without a country code, as US"
        )
        parser.add_argument("--calls-per-second", type=float, help="the number's if not given")
        parser.add_argument(
            "--max-concurrent", type=int, help="calls at once; the number's if not given"
        )

    def handle(self, *, file: Path, **options: Any) -> None:
        try:
            batch = self.create(file, **options)
        except DomainError as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"Batch {batch.pk}: {batch.name}")
        try:
            self.watch(batch)
        except KeyboardInterrupt:
            raise CommandError(
                f"No longer watching. Batch {batch.pk} goes on; pause or stop it in the API."
            ) from None
        self.report(batch)

    def create(
        self, file: Path, *, agent: str, number: str, workspace: str | None, **options: Any
    ) -> Batch:
        """The batch, ordered to start once its list has been read. Raises CommandError,
        DomainError.
        """
        check_readable(file)
        country = options["default_country"]
        if country and not is_known_country(country):
            raise CommandError(f"{country} is no country: give two letters, as US")
        for name, (least, most) in LIMITS.items():
            if options[name] is not None and not least <= options[name] <= most:
                raise CommandError(f"--{name.replace('_', '-')} must be from {least} to {most}")
        if len(options["name"] or "") > LONGEST_NAME:
            raise CommandError(f"--name has more than {LONGEST_NAME} characters")
        owner = find_workspace(workspace)
        return create_batch(
            agent=find_agent(owner, agent),
            phone_number=find_number(owner, number),
            content=pieces(file),
            name=options["name"] or file.stem[:LONGEST_NAME],
            default_country=country,
            calls_per_second=options["calls_per_second"],
            max_concurrent_calls=options["max_concurrent"],
            start=Batch.Start.NOW,
        )

    def watch(self, batch: Batch) -> None:
        """Show a bar until the batch has ended."""
        moved_at, before = time.monotonic(), ""
        with tqdm(
            total=0,
            unit="",
            bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} people [{elapsed}{postfix}]",
        ) as bar:
            while batch.status not in Batch.Status.final():
                time.sleep(LOOK_SECONDS)
                batch.refresh_from_db()
                progress = progress_of(batch, now=timezone.now())
                show(bar, progress)
                if (now := str(progress["counts"])) != before:
                    moved_at, before = time.monotonic(), now
                elif time.monotonic() - moved_at > PATIENCE_SECONDS:
                    moved_at = time.monotonic()
                    bar.write(batch.error or NO_WORKER, file=self.stderr)

    def report(self, batch: Batch) -> None:
        """What became of everybody. Raises CommandError when the batch did not run to its end."""
        if batch.status == Batch.Status.FAILED:
            raise CommandError(batch.error or "The batch failed")
        progress = progress_of(batch, now=timezone.now())
        counts = progress["counts"]
        rows = [*sorted(progress["outcomes"].items(), key=lambda row: -row[1])]
        rows += [
            (name, counts[name])
            for name in ("skipped", "cancelled", "review", "rejected")
            if counts[name]
        ]
        for name, count in rows:
            self.stdout.write(f"  {name:<16}{count:>8}")
        if batch.status == Batch.Status.STOPPED:
            raise CommandError("The batch was stopped")
        self.stdout.write(
            f"{counts['total']} people in {progress['elapsed_seconds']:.0f} s, batch {batch.status}"
        )


def find_agent(workspace: Workspace, wanted: str) -> Agent:
    agents = list(
        Agent.unscoped.live().filter(named(wanted), workspace=workspace).order_by("-pk")[:2]
    )
    if len(agents) != 1:
        raise CommandError(
            f"There is {'more than one' if agents else 'no'} agent {wanted} in {workspace.name}"
        )
    return agents[0]


def find_number(workspace: Workspace, wanted: str) -> PhoneNumber:
    number = workspace.phone_numbers.filter(phone_number=wanted).first()
    if number is None:
        raise CommandError(f"There is no phone number {wanted} in {workspace.name}")
    return number


def named(wanted: str) -> Q:
    try:
        return Q(pk=UUID(wanted))
    except ValueError:
        return Q(name=wanted)


def pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as content:
        while piece := content.read(PIECE):
            yield piece


def show(bar: "tqdm[Any]", progress: dict[str, Any]) -> None:
    counts = progress["counts"]
    bar.total = counts["total"]
    bar.n = counts["total"] - sum(counts[status] for status in Recipient.Status.open())
    talking = f"{counts['dialing']} dialing, {counts['in_call']} in call"
    bar.set_postfix_str(
        f"{progress['status']}, {talking}, {progress['calls_per_second']:.1f} calls/s"
    )
