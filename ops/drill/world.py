"""Where the drills of the matrix take place: real processes, and hands on everything that can be
broken.
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

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from batches.models import Batch, Recipient
from ops.demo import workspace
from ops.demo.client import Api
from ops.drill.invariants import CallLedger, read_ledger
from ops.drill.scenario import Sandbox
from ops.drill.servers import Servers
from ops.serving.supervisor import Running, Supervisor
from telephony.models import Call
from voiceops.core.errors import DomainError

T = TypeVar("T")

# Fictitious numbers (555-01xx): a hundred people to an area code, and every list has one of its
# own.
AREA_CODES = (
    *(201, 206, 212, 213, 303, 305, 312, 313, 404, 408, 415, 503, 510, 512, 602),
    *(603, 612, 614, 615, 617, 702, 713, 714, 718, 720, 801, 804, 808, 813, 816),
)
POLL = 0.1
PATIENCE = 40.0  # seconds until what must happen counts as not happening
DATABASE_AWAY = 40.0


class Broken(DomainError):
    """Something that must be was not."""


@dataclass
class People:
    """A list that is called, from a number of its own."""

    world: "World"
    area: int
    caller: str = ""
    uploaded: int = 0
    batch_id: str = ""
    number_id: str = ""
    ends_as_dialled: bool = True  # False where the fault itself decides how calls end

    def calls(self, **only: Any) -> list[Call]:
        wanted = Call.unscoped.filter(batch_id=UUID(self.batch_id), **only).order_by("pk")
        return self.world.read(lambda: list(wanted.all()))

    def people(self) -> list[Recipient]:
        wanted = Recipient.unscoped.filter(batch=UUID(self.batch_id)).order_by("row_number")
        return self.world.read(lambda: list(wanted.all()))

    def batch(self) -> Batch:
        return self.world.read(lambda: Batch.unscoped.get(pk=self.batch_id))

    def dials(self) -> list[dict[str, Any]]:
        return [dial for dial in self.world.sandbox.dials() if dial["caller_id"] == self.caller]

    def ends(self) -> dict[str, tuple[str, str | None, int]]:
        """(status, outcome, attempts) by the last two digits."""
        return {p.phone_number[-2:]: (p.status, p.outcome, p.attempts) for p in self.people()}

    def order(self, verb: str, body: dict[str, Any] | None = None) -> Any:
        return self.world.api.post(f"/batches/{self.batch_id}/{verb}", body)

    def at_rest(self) -> bool:
        return self.batch().status in Batch.Status.final() and not any(
            person.status in Recipient.Status.open() for person in self.people()
        )

    def ledger(self) -> CallLedger:
        ledger = self.world.read(
            lambda: read_ledger(self.batch_id, self.dials(), uploaded=self.uploaded)
        )
        ledger.check(truth=self.ends_as_dialled)
        return ledger


@dataclass
class World:
    supervisor: Supervisor
    tell: Callable[[str], None]
    servers: Servers
    lists: list[People] = field(default_factory=list)
    kept: dict[str, People] = field(default_factory=dict)

    def enter(self) -> None:
        self.sandbox = Sandbox()
        self.url = f"http://127.0.0.1:{settings.PORT}"
        email, password = workspace.credentials(Path(settings.DATA_DIR) / "demo.json")
        demo = workspace.enter(self.url, email=email, password=password)
        self.api: Api = demo.api
        self.agent_id = demo.agent_id
        self.sandbox.ask("DELETE", "dials")

    # --- lists ---

    def call(
        self, endings: Iterable[str], *, rate: float = 20, most: int = 100, **fields: str
    ) -> People:
        """Upload a list of people whose numbers end so, which decides what becomes of them, and
        have it called.
        """
        people = People(self, area=AREA_CODES[len(self.lists)])
        text = "phone\n" + "".join(f"+1{people.area}55501{ending}\n" for ending in endings)
        return self.call_list(people, text, rate=rate, most=most, **fields)

    def call_list(
        self, people: People, text: str, *, rate: float = 20, most: int = 100, **fields: str
    ) -> People:
        self.lists.append(people)
        people.caller = f"+120255501{len(self.lists):02}"
        trunk = {**workspace.TRUNK, "calls_per_second": rate, "max_concurrent_calls": most}
        number = {**trunk, "phone_number": people.caller, "label": f"Drill {len(self.lists)}"}
        people.number_id = self.api.post("/phone-numbers", number)["id"]
        file = Path(settings.DATA_DIR) / f"drill-{len(self.lists)}.csv"
        file.write_text(text)
        people.uploaded = len(text.splitlines()) - 1  # without the header
        order = {
            "agent_id": self.agent_id,
            "phone_number_id": people.number_id,
            "start": "now",
            "name": file.stem,
        }
        people.batch_id = self.api.upload("/batches", file, {**order, **fields})["id"]
        return people

    def next_number(self, ending: str) -> str:
        """The number of somebody on the next list."""
        return f"+1{AREA_CODES[len(self.lists)]}55501{ending}"

    def shared(self, name: str, make: Callable[[], People]) -> People:
        """A list that several faults strike."""
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]

    # --- looking ---

    def read(self, look: Callable[[], T]) -> T:
        """Ask the database, through its restarts."""
        deadline = time.monotonic() + DATABASE_AWAY
        while True:
            try:
                return look()
            except (OperationalError, InterfaceError):
                connection.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def wait(self, condition: Callable[[], Any], what: str, *, seconds: float = PATIENCE) -> float:
        """Until it holds; how long that took. Raises Broken."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > seconds:
                raise Broken(f"not within {seconds:.0f} s: {what}")
            time.sleep(POLL)
        return time.monotonic() - began

    def expect(self, holds: bool, words: str) -> None:
        """Raises Broken."""
        if not holds:
            raise Broken(words)

    def rest(self, seconds: float) -> None:
        """Until every list has come to rest, or the time is up: then each list's ledger says who is
        left.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not all(people.at_rest() for people in self.lists):
            time.sleep(0.5)

    def struck(self, point: str) -> list[str]:
        """The ids of the calls at which a failpoint struck; nothing before it did."""
        mark = Path(settings.DATA_DIR) / "failpoints" / point
        return mark.read_text().split() if mark.exists() else []

    # --- breaking ---

    def faults(self, **rates: Any) -> None:
        """Replace LiveKit's faults; none given ends them all."""
        self.sandbox.ask("PUT", "faults", {"seed": 1, **rates})

    def process(self, name: str) -> Running:
        return next(one for one in self.supervisor.running if one.service.name == name)

    def blow(self, name: str, number: signal.Signals) -> None:
        os.killpg(self.process(name).process.pid, number)

    def take_away(self, name: str) -> Running:
        """Kill a process and keep it from being started again, until `bring_back`."""
        gone = self.process(name)
        self.supervisor.running = [one for one in self.supervisor.running if one is not gone]
        gone.kill_group()
        return gone

    def bring_back(self, gone: Running) -> None:
        """The supervisor's own thread starts it, at its next look."""
        self.supervisor.running = [*self.supervisor.running, gone]

    def manage(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 our own command, no shell
            [sys.executable, "manage.py", *arguments],
            cwd=settings.BASE_DIR,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
