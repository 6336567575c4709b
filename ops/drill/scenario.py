"""One drill: a batch in which things are killed, from the upload until it has come to rest."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.db import connection

from batches.models import Batch, Recipient
from ops.demo import workspace
from ops.drill.servers import Servers
from ops.serving.supervisor import Supervisor
from telephony.models import Call
from voiceops.core.errors import DomainError

FAULTS = {"error_after_dial_rate": 0.05, "drop_after_dial_rate": 0.05, "webhook_loss_rate": 0.05}
AREA_CODES = (201, 202, 206, 212, 213, 303, 305, 312, 313, 404)
POLL = 0.2


@dataclass(frozen=True)
class Plan:
    people: int = 300
    blows: int = 10
    kinds: tuple[str, ...] = ("kill worker",)
    seed: int = 1
    faults: dict[str, float] = field(default_factory=lambda: dict(FAULTS))
    seconds: float = 240.0  # until everything must have come to rest


class Sandbox:
    """The sandbox's control API."""

    def __init__(self) -> None:
        self.url = f"{settings.LIVEKIT_URL}/_sandbox"
        self.http = requests.Session()
        self.http.trust_env = False

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        response = self.http.request(method, f"{self.url}/{path}", json=body, timeout=10)
        response.raise_for_status()
        return response.json()

    def answers(self) -> bool:
        try:
            self.dials()
        except requests.RequestException:
            return False
        return True

    def dials(self) -> list[dict[str, Any]]:
        dials: list[dict[str, Any]] = self.ask("GET", "dials")
        return dials


def numbers(people: int) -> list[str]:
    """Fictitious numbers (555-01xx), a hundred to an area code, so that every outcome occurs."""
    if people > 100 * len(AREA_CODES):
        raise DomainError(
            f"At most {100 * len(AREA_CODES)} people: there are no more fictitious numbers"
        )
    return [f"+1{AREA_CODES[index // 100]}55501{index % 100:02}" for index in range(people)]


def write_list(path: Path, people: int) -> Path:
    path.write_text("phone,first_name\n" + "".join(f"{number},Ada\n" for number in numbers(people)))
    return path


@dataclass
class Drill:
    """Runs beside the supervisor's watch, in a thread of its own."""

    plan: Plan
    supervisor: Supervisor
    tell: Callable[[str], None]
    batch_id: str = ""
    over: bool = False
    failure: str | None = None
    cut_off: int = (
        0  # calls that were up when LiveKit was killed: how they would have ended nobody can know
    )

    def run(self) -> None:
        try:
            self.rehearse()
        except (DomainError, requests.RequestException, TimeoutError) as error:
            self.failure = str(error) or type(error).__name__
        finally:
            self.over = True

    def rehearse(self) -> None:
        chance = random.Random(self.plan.seed)  # noqa: S311 a drill that can be repeated, no secret
        sandbox = Sandbox()
        email, password = workspace.credentials(Path(settings.DATA_DIR) / "demo.json")
        demo = workspace.enter(f"http://127.0.0.1:{settings.PORT}", email=email, password=password)
        sandbox.ask("DELETE", "dials")
        sandbox.ask("PUT", "faults", {"seed": self.plan.seed, **self.plan.faults})
        file = write_list(Path(settings.DATA_DIR) / "drill.csv", self.plan.people)
        fields = {
            "agent_id": demo.agent_id,
            "phone_number_id": demo.phone_number_id,
            "start": "now",
            "name": "Drill",
        }
        batch = demo.api.upload("/batches", file, fields)
        self.batch_id = batch["id"]
        deadline = time.monotonic() + self.plan.seconds
        for share in shares(self.plan):
            demo.api.get_patiently(
                "/healthz", unless=lambda: time.monotonic() > deadline
            )  # or two blows would be one
            self.wait_for_dials(sandbox, share, deadline)
            self.blow(chance.choice(self.plan.kinds), chance)
        while not sandbox.answers() and time.monotonic() < deadline:
            time.sleep(POLL)
        sandbox.ask("DELETE", "faults")
        self.wait_until_at_rest(demo.api, deadline)

    def wait_for_dials(self, sandbox: Sandbox, share: int, deadline: float) -> None:
        """Until so many calls were dialled, or the calls stand still for reasons of their own."""
        patience = min(time.monotonic() + 20, deadline)
        while time.monotonic() < patience and (
            not sandbox.answers() or len(sandbox.dials()) < share
        ):
            time.sleep(POLL)

    def wait_until_at_rest(self, api: Any, deadline: float) -> None:
        while True:
            progress = api.get_patiently(f"/batches/{self.batch_id}/progress", unless=lambda: False)
            open_people = sum(progress["counts"][name] for name in Recipient.Status.open())
            if progress["status"] in Batch.Status.final() and open_people == 0:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"after {self.plan.seconds:.0f} s: {progress['status']}, {progress['counts']}"
                )
            time.sleep(POLL)

    def blow(self, kind: str, chance: random.Random) -> None:
        verb, name = kind.split(" ", 1)
        if verb == "crash":
            self.tell("PostgreSQL crashes, and starts again")
            servers = Servers.from_environment()
            servers.stop_postgres()
            servers.start_postgres()
            return
        if name == "sandbox":
            self.cut_off += Call.unscoped.open().filter(batch_id=self.batch_id).count()
            connection.close()
        running = next(one for one in self.supervisor.running if one.service.name == name)
        if verb == "kill":
            self.tell(f"kill -9 {name}")
            os.killpg(running.process.pid, signal.SIGKILL)
        elif verb == "stop":
            seconds = chance.uniform(1.0, 8.0)
            self.tell(f"SIGSTOP {name} for {seconds:.1f} s")
            os.killpg(running.process.pid, signal.SIGSTOP)
            time.sleep(seconds)
            os.killpg(running.process.pid, signal.SIGCONT)
        else:
            self.tell(f"SIGTERM {name}")
            os.killpg(running.process.pid, signal.SIGTERM)


def shares(plan: Plan) -> Iterator[int]:
    """After how many dials the blows fall: spread evenly over the list."""
    for blow in range(plan.blows):
        yield round(plan.people * (blow + 0.5) / max(1, plan.blows))
