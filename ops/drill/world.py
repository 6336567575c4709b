"""The environment in which the faults of the matrix happen: real processes, batches that are
called, and ways to break both.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import requests
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from batches.models import Batch, Recipient
from ops.demo import workspace
from ops.demo.client import Api
from ops.drill.invariants import CallLedger, read_ledger
from ops.drill.sandbox_control import SandboxControl
from ops.drill.servers import Servers
from ops.serving.supervisor import RunningService, Supervisor
from telephony.models import Call
from voiceops.core.errors import DomainError

T = TypeVar("T")
Result = tuple[str, str | None, int]  # status, outcome, attempts

COMPLETED_AT_ONCE: Result = ("completed", "answered", 1)
NOT_ANSWERED: Result = ("failed", "no_answer", 1)

# Fictitious numbers (555-01xx): a hundred recipients for each area code, and one area code for each
# batch, so that a number tells to which batch it belongs.
BATCH_AREA_CODES = (
    *(201, 206, 212, 213, 303, 305, 312, 313, 404, 408, 415, 503, 510, 512, 602),
    *(603, 612, 614, 615, 617, 702, 713, 714, 718, 720, 801, 804, 808, 813, 816),
)
CONDITION_POLL_SECONDS = 0.1
END_POLL_SECONDS = 0.5
DRILL_CONCURRENT_CALLS = 100  # of one batch
WAIT_SECONDS = 40.0  # until an expected event counts as not happening
DATABASE_RETURN_SECONDS = 40.0


class ExpectationFailed(DomainError):
    """Something that a fault's scenario expects did not happen, or was otherwise."""


@dataclass
class DrillBatch:
    """A batch that is called from a number of its own."""

    world: "World"
    area_code: int
    caller_id: str = ""
    uploaded_rows: int = 0
    batch_id: str = ""
    number_id: str = ""
    # False where the fault itself decides how calls end.
    outcomes_follow_numbers: bool = True

    def calls(self, **filters: Any) -> list[Call]:
        rows = Call.unscoped.filter(batch_id=UUID(self.batch_id), **filters).order_by("pk")
        return self.world.fetch(rows)

    def recipients(self) -> list[Recipient]:
        rows = Recipient.unscoped.filter(batch=UUID(self.batch_id)).order_by("row_number")
        return self.world.fetch(rows)

    def row(self) -> Batch:
        return self.world.query(lambda: Batch.unscoped.get(pk=self.batch_id))

    def dials(self) -> list[dict[str, Any]]:
        """What the sandbox dialed for this batch, oldest first."""
        return [dial for dial in self.world.sandbox.dials() if dial["caller_id"] == self.caller_id]

    def phone_calls(self) -> list[dict[str, Any]]:
        """The same dials, with how they went on the callees' side."""
        return [call for call in self.world.sandbox.calls() if call["caller_id"] == self.caller_id]

    def has_dialed_since(self, at: float) -> bool:
        return any(dial["at"] > at for dial in self.dials())

    def results(self) -> dict[str, Result]:
        """The result of each recipient, by the last two digits of the number."""
        return {
            row.phone_number[-2:]: (row.status, row.outcome, row.attempts)
            for row in self.recipients()
        }

    def statuses(self) -> set[str]:
        return {recipient.status for recipient in self.recipients()}

    def expect_results(self, expected: dict[str, Result]) -> None:
        """Raises ExpectationFailed unless the results are as expected."""
        results = self.results()
        self.world.expect(results == expected, str(results))

    def expect_all_answered(self) -> None:
        """Raises ExpectationFailed unless every recipient answered at the first attempt."""
        results = self.results()
        self.world.expect(set(results.values()) == {COMPLETED_AT_ONCE}, str(results))

    def expect_statuses(self, *allowed: str) -> None:
        """Raises ExpectationFailed when a recipient has another status."""
        self.world.expect(self.statuses() <= set(allowed), str(self.results()))

    def expect_one_dial_each(self) -> None:
        """Raises ExpectationFailed unless there are as many dials as recipients."""
        dials, recipients = len(self.dials()), len(self.recipients())
        self.world.expect(dials == recipients, f"{dials} dials for {recipients} recipients")

    def wait_for_dials(self, count: int) -> None:
        """Wait until the sandbox has dialed for this batch that often. Raises ExpectationFailed."""
        self.world.wait_until(lambda: len(self.dials()) >= count, f"{count} dials")

    def request(self, verb: str) -> Any:
        """Send the batch an API request such as `pause` or `stop`."""
        return self.world.api.post(f"/batches/{self.batch_id}/{verb}")

    def has_ended(self) -> bool:
        if self.row().status not in Batch.Status.final():
            return False
        return not self.statuses() & set(Recipient.Status.open())

    def checked_ledger(self) -> CallLedger:
        ledger = self.world.query(
            lambda: read_ledger(self.batch_id, self.phone_calls(), uploaded_rows=self.uploaded_rows)
        )
        ledger.check_all(check_outcomes=self.outcomes_follow_numbers)
        return ledger


@dataclass
class World:
    """One installation with its processes, and everything that a drill may do to it."""

    supervisor: Supervisor
    report: Callable[[str], None]
    servers: Servers
    batches: list[DrillBatch] = field(default_factory=list)
    shared_batches: dict[str, DrillBatch] = field(default_factory=dict)

    def prepare(self) -> None:
        """Create the demo workspace, and forget what was dialed before."""
        self.sandbox = SandboxControl()
        self.url = f"http://127.0.0.1:{settings.PORT}"
        email, password = workspace.credentials(Path(settings.DATA_DIR) / "demo.json")
        demo = workspace.prepare_workspace(self.url, email=email, password=password)
        self.api: Api = demo.api
        self.agent_id = demo.agent_id
        self.sandbox.clear_dials()

    # --- batches ---

    def start_batch(self, endings: Iterable[str], *, rate: float = 20, **fields: str) -> DrillBatch:
        """Upload and start a list of numbers with these last two digits, which decide the outcome.

        `rate` is in calls per second; `fields` go into the request that creates the batch.
        """
        batch = DrillBatch(self, area_code=BATCH_AREA_CODES[len(self.batches)])
        rows = "".join(f"+1{batch.area_code}55501{ending}\n" for ending in endings)
        return self.upload_batch(batch, "phone\n" + rows, rate=rate, **fields)

    def upload_batch(
        self, batch: DrillBatch, text: str, *, rate: float = 20, **fields: str
    ) -> DrillBatch:
        """Register a number for `batch`, upload `text` as its list, and start it."""
        self.batches.append(batch)
        index = len(self.batches)
        batch.caller_id = f"+120255501{index:02}"
        batch.number_id = self.register_number(batch.caller_id, rate)

        file = Path(settings.DATA_DIR) / f"drill-{index}.csv"
        file.write_text(text)
        batch.uploaded_rows = len(text.splitlines()) - 1  # without the header
        request = {
            "agent_id": self.agent_id,
            "phone_number_id": batch.number_id,
            "start": "now",
            "name": file.stem,
            **fields,
        }
        batch.batch_id = self.api.upload("/batches", file, request)["id"]
        return batch

    def register_number(self, phone_number: str, rate: float) -> str:
        """Register a number of ours with `rate` calls per second; returns its id."""
        body = {
            **workspace.TRUNK,
            "calls_per_second": rate,
            "max_concurrent_calls": DRILL_CONCURRENT_CALLS,
            "phone_number": phone_number,
            "label": "Drill",
        }
        return str(self.api.post("/phone-numbers", body)["id"])

    def next_number(self, ending: str) -> str:
        """The number with these last two digits on the next batch that is started."""
        return f"+1{BATCH_AREA_CODES[len(self.batches)]}55501{ending}"

    def shared_batch(self, name: str, start: Callable[[], DrillBatch]) -> DrillBatch:
        """A batch that several faults disturb; started by the first of them."""
        if name not in self.shared_batches:
            self.shared_batches[name] = start()
        return self.shared_batches[name]

    # --- observing ---

    def query(self, read: Callable[[], T]) -> T:
        """The result of `read`, which uses the database; tried again while the database is away.

        Raises what `read` raises when that lasts longer than 40 seconds.
        """
        deadline = time.monotonic() + DATABASE_RETURN_SECONDS
        while True:
            try:
                return read()
            except (OperationalError, InterfaceError):
                # Django keeps a broken connection until it is closed.
                connection.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(END_POLL_SECONDS)

    def fetch(self, rows: Iterable[T]) -> list[T]:
        """The rows of a queryset, read again while the database is away."""
        return self.query(lambda: list(rows))

    def wait_until(
        self, condition: Callable[[], Any], what: str, *, seconds: float = WAIT_SECONDS
    ) -> float:
        """Wait until the condition holds; returns the seconds that took.

        Raises ExpectationFailed, with `what`, when it does not hold in time.
        """
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > seconds:
                raise ExpectationFailed(f"not within {seconds:.0f} s: {what}")
            time.sleep(CONDITION_POLL_SECONDS)
        return time.monotonic() - began

    def expect(self, condition: bool, message: str) -> None:
        """Raises ExpectationFailed, with `message`, unless the condition holds."""
        if not condition:
            raise ExpectationFailed(message)

    def wait_until_all_ended(self, seconds: float) -> None:
        """Wait until every batch has ended or the time is up. The ledgers report what has not."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if all(batch.has_ended() for batch in self.batches):
                return
            time.sleep(END_POLL_SECONDS)

    def calls_hit_at(self, failpoint: str) -> list[str]:
        """The ids of the calls at which a failpoint was triggered; empty before that."""
        mark = Path(settings.DATA_DIR) / "failpoints" / failpoint
        return mark.read_text().split() if mark.exists() else []

    # --- breaking ---

    def set_livekit_faults(self, **rates: Any) -> None:
        """Replace the faults LiveKit simulates; without any rate, end them all."""
        self.sandbox.set_faults(seed=1, **rates)

    def set_behaviours(self, behaviours: dict[str, dict[str, Any]]) -> None:
        """Replace what named numbers do; without any, all follow their last two digits again."""
        self.sandbox.request("PUT", "behaviours", behaviours)

    def has_web_server(self) -> bool:
        """Whether the web server answers."""
        try:
            return requests.get(f"{self.url}/healthz", timeout=1).ok
        except requests.RequestException:
            return False

    def running_service(self, name: str) -> RunningService:
        return next(each for each in self.supervisor.running if each.service.name == name)

    def send_signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process and everything it has started."""
        os.killpg(self.running_service(name).process.pid, number)

    def kill_and_hold(self, name: str) -> RunningService:
        """Kill a process and keep it from being restarted until `restore`."""
        removed = self.running_service(name)
        # The supervisor iterates over the list in another thread, so it is replaced, not changed.
        self.supervisor.running = [each for each in self.supervisor.running if each is not removed]
        removed.kill_group()
        return removed

    def restore(self, removed: RunningService) -> None:
        """Let the supervisor start the process again, in its own thread."""
        self.supervisor.running = [*self.supervisor.running, removed]

    def start_command(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a management command in a process of its own."""
        return subprocess.Popen(  # noqa: S603 our own command, no shell
            [sys.executable, "manage.py", *arguments],
            cwd=settings.BASE_DIR,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
