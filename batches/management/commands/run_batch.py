"""`manage.py run_batch`: upload, start and watch a batch from the terminal."""

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

PROGRESS_POLL_SECONDS = 0.5
STALL_WARNING_SECONDS = 15.0  # without a change; then a worker may be missing
READ_BYTES = 1 << 16
# As in POST /batches.
PACE_LIMITS = {"calls_per_second": (0.01, 1000), "max_concurrent": (1, 100_000)}
MAX_BATCH_NAME_CHARACTERS = 200
NO_WORKER = (
    "Nothing is happening. Is a worker running? Start one with `make serve`, or wait for one."
)
BAR_FORMAT = "{l_bar}{bar}| {n_fmt}/{total_fmt} recipients [{elapsed}{postfix}]"


class Command(BaseCommand):
    help = (
        "Uploads a list, starts it as a batch and watches it to its end. A worker makes the calls "
        "(`make serve`)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the arguments."""
        parser.add_argument("file", type=Path, help="the list: CSV or XLSX with a phone column")
        parser.add_argument("--agent", required=True, help="name or id of a published agent")
        parser.add_argument(
            "--from",
            required=True,
            dest="number",
            help="the number to call from, for example +12025550100",
        )
        parser.add_argument(
            "--workspace", help="name or id; may be left out where there is only one"
        )
        parser.add_argument("--name", help="the batch's name (default: the file's)")
        parser.add_argument(
            "--default-country",
            type=str.upper,
            help="the country of numbers without a country code, for example US",
        )
        parser.add_argument(
            "--calls-per-second", type=float, help="the batch's own pace, within the number's"
        )
        parser.add_argument(
            "--max-concurrent", type=int, help="calls at the same time, within the number's limit"
        )

    def handle(self, *, file: Path, **options: Any) -> None:
        """Create the batch, watch it and print its outcomes.

        Raises CommandError for wrong options, and when the batch fails or is stopped.
        """
        try:
            batch = self.create(file, **options)
        except DomainError as error:
            raise CommandError(str(error)) from error
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
        """Create a batch that starts once its list has been read.

        Raises CommandError for options that cannot be used, DomainError for what the service
        refuses.
        """
        check_readable(file)
        check_options(options)
        owner = find_workspace(workspace)
        return create_batch(
            agent=find_agent(owner, agent),
            phone_number=find_number(owner, number),
            content=read_chunks(file),
            name=options["name"] or file.stem[:MAX_BATCH_NAME_CHARACTERS],
            default_country=options["default_country"],
            calls_per_second=options["calls_per_second"],
            max_concurrent_calls=options["max_concurrent"],
            start=Batch.Start.NOW,
        )

    def watch(self, batch: Batch) -> None:
        """Show a progress bar until the batch has ended."""
        changed_at = time.monotonic()
        counts_before = None
        with tqdm(total=0, unit="", bar_format=BAR_FORMAT) as bar:
            while batch.status not in Batch.Status.final():
                time.sleep(PROGRESS_POLL_SECONDS)
                batch.refresh_from_db()
                progress = progress_of(batch, now=timezone.now())
                show_progress(bar, progress)
                if progress["counts"] != counts_before:
                    changed_at = time.monotonic()
                    counts_before = progress["counts"]
                elif time.monotonic() - changed_at > STALL_WARNING_SECONDS:
                    changed_at = time.monotonic()
                    bar.write(batch.error or NO_WORKER, file=self.stderr)

    def report(self, batch: Batch) -> None:
        """Print how many recipients had which outcome.

        Raises CommandError when the batch failed or was stopped.
        """
        if batch.status == Batch.Status.FAILED:
            raise CommandError(batch.error or "The batch failed")
        progress = progress_of(batch, now=timezone.now())
        counts = progress["counts"]
        for name, count in sorted(progress["outcomes"].items(), key=lambda row: -row[1]):
            self.stdout.write(f"  {name:<16}{count:>8}")
        for name in ("skipped", "cancelled", "review", "rejected"):
            if counts[name]:
                self.stdout.write(f"  {name:<16}{counts[name]:>8}")
        if batch.status == Batch.Status.STOPPED:
            raise CommandError("The batch was stopped")
        seconds = f"{progress['elapsed_seconds']:.0f}"
        self.stdout.write(f"{counts['total']} recipients in {seconds} s, batch {batch.status}")


def check_options(options: dict[str, Any]) -> None:
    """Check what the API's schema would check. Raises CommandError."""
    country = options["default_country"]
    if country and not is_known_country(country):
        raise CommandError(f"Unknown country code {country}. Use two letters, for example US")
    for name, (least, most) in PACE_LIMITS.items():
        if options[name] is not None and not least <= options[name] <= most:
            raise CommandError(f"--{name.replace('_', '-')} must be from {least} to {most}")
    if len(options["name"] or "") > MAX_BATCH_NAME_CHARACTERS:
        raise CommandError(f"--name has more than {MAX_BATCH_NAME_CHARACTERS} characters")


def find_agent(workspace: Workspace, name_or_id: str) -> Agent:
    """Find an agent of the workspace. Raises CommandError when there is not exactly one."""
    found = Agent.unscoped.live().filter(by_name_or_id(name_or_id), workspace=workspace)
    # Two rows are enough to know that a name is ambiguous.
    agents = list(found.order_by("-pk")[:2])
    if len(agents) != 1:
        how_many = "more than one" if agents else "no"
        raise CommandError(f"There is {how_many} agent {name_or_id} in {workspace.name}")
    return agents[0]


def find_number(workspace: Workspace, e164: str) -> PhoneNumber:
    """Find a number of the workspace. Raises CommandError when there is none."""
    number = workspace.phone_numbers.filter(phone_number=e164).first()
    if number is None:
        raise CommandError(f"There is no phone number {e164} in {workspace.name}")
    return number


def by_name_or_id(text: str) -> Q:
    """Return the condition on rows with this id or, if it cannot be one, this name."""
    try:
        return Q(pk=UUID(text))
    except ValueError:
        return Q(name=text)


def read_chunks(file: Path) -> Iterator[bytes]:
    """Yield the file's content in chunks."""
    with file.open("rb") as content:
        while chunk := content.read(READ_BYTES):
            yield chunk


def show_progress(bar: "tqdm[Any]", progress: dict[str, Any]) -> None:
    """Draw the contract's `progress` of a batch as a bar."""
    counts = progress["counts"]
    bar.total = counts["total"]
    bar.n = counts["total"] - sum(counts[status] for status in Recipient.Status.open())
    calls = f"{counts['dialing']} dialing, {counts['in_call']} in call"
    pace = f"{progress['calls_per_second']:.1f} calls/s"
    bar.set_postfix_str(f"{progress['status']}, {calls}, {pace}")
