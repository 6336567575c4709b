"""A drill in which processes are killed while a batch is called, from its upload to its end."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import requests
from django.conf import settings

from batches.models import Batch, Recipient
from ops.demo import workspace
from ops.demo.client import Api
from ops.drill.sandbox_control import SandboxControl
from ops.drill.servers import Servers
from ops.serving.supervisor import Supervisor
from voiceops.core.errors import DomainError

LIVEKIT_FAULT_RATES = {
    "error_after_dial_rate": 0.05,
    "drop_after_dial_rate": 0.05,
    "webhook_loss_rate": 0.05,
}
# Fictitious numbers (555-01xx): a hundred recipients for each area code.
LIST_AREA_CODES = (201, 202, 206, 212, 213, 303, 305, 312, 313, 404)
MAX_RECIPIENTS = 100 * len(LIST_AREA_CODES)
DRILL_POLL_SECONDS = 0.2
DIAL_WAIT_SECONDS = 20.0
LIVEKIT_RESTART_SECONDS = 5.0  # of the simulation: what a real server was measured to take
MAX_PAUSE_SECONDS = 8.0  # of a process stopped with SIGSTOP


@dataclass(frozen=True)
class DrillPlan:
    """How long the list is, and what happens to the processes while it is called.

    `kinds` are pairs of a verb and a process, for example "kill worker".
    """

    recipients: int = 300
    disruptions: int = 10
    kinds: tuple[str, ...] = ("kill worker",)
    seed: int = 1
    fault_rates: dict[str, float] = field(default_factory=lambda: dict(LIVEKIT_FAULT_RATES))
    seconds: float = 240.0  # until everything must have ended


def fictitious_numbers(count: int) -> list[str]:
    """The numbers of a list, so distributed that every outcome of the sandbox occurs.

    Raises DomainError when there are not as many.
    """
    if count > MAX_RECIPIENTS:
        raise DomainError(
            f"At most {MAX_RECIPIENTS} recipients: there are no more fictitious numbers"
        )
    return [f"+1{LIST_AREA_CODES[index // 100]}55501{index % 100:02}" for index in range(count)]


def write_list(path: Path, count: int) -> Path:
    rows = "".join(f"{number},Ada\n" for number in fictitious_numbers(count))
    path.write_text("phone,first_name\n" + rows)
    return path


@dataclass
class BatchDrill:
    """Runs in a thread of its own, beside the supervisor, which restarts what the drill kills."""

    plan: DrillPlan
    supervisor: Supervisor
    report: Callable[[str], None]
    batch_id: str = ""
    is_over: bool = False
    failure: str | None = None
    # Calls that LiveKit's crash found in progress need not end as their numbers say.
    has_crashed_livekit: bool = False

    def run(self) -> None:
        try:
            self.call_list()
        except (DomainError, requests.RequestException, TimeoutError) as error:
            self.failure = str(error) or type(error).__name__
        finally:
            self.is_over = True

    def call_list(self) -> None:
        """Upload the list, disrupt the processes while it is called, and wait for the end.

        Raises TimeoutError when the batch has not ended in time.
        """
        # The same seed chooses the same disruptions.
        chance = random.Random(self.plan.seed)  # noqa: S311 no secret
        deadline = time.monotonic() + self.plan.seconds
        sandbox = SandboxControl()
        demo = self.prepare(sandbox)
        self.upload_list(demo)
        for dials in disruption_points(self.plan):
            # Without this wait, two disruptions in a row could count as one.
            demo.api.get_with_retry("/healthz", give_up=lambda: time.monotonic() > deadline)
            self.wait_for_dials(sandbox, dials, deadline)
            self.disrupt(sandbox, chance.choice(self.plan.kinds), chance)

        sandbox.request("DELETE", "faults")
        self.wait_until_ended(demo.api, deadline)

    def prepare(self, sandbox: SandboxControl) -> workspace.DemoWorkspace:
        email, password = workspace.credentials(Path(settings.DATA_DIR) / "demo.json")
        url = f"http://127.0.0.1:{settings.PORT}"
        demo = workspace.prepare_workspace(url, email=email, password=password)
        sandbox.clear_dials()
        sandbox.set_faults(seed=self.plan.seed, **self.plan.fault_rates)
        return demo

    def upload_list(self, demo: workspace.DemoWorkspace) -> None:
        file = write_list(Path(settings.DATA_DIR) / "drill.csv", self.plan.recipients)
        fields = {
            "agent_id": demo.agent_id,
            "phone_number_id": demo.phone_number_id,
            "start": "now",
            "name": "Drill",
        }
        self.batch_id = demo.api.upload("/batches", file, fields)["id"]

    def wait_for_dials(self, sandbox: SandboxControl, count: int, deadline: float) -> None:
        """Wait for `count` dials, but not for ever: nothing but retries may be left."""
        give_up_at = min(time.monotonic() + DIAL_WAIT_SECONDS, deadline)
        while time.monotonic() < give_up_at:
            if len(sandbox.dials()) >= count:
                return
            time.sleep(DRILL_POLL_SECONDS)

    def wait_until_ended(self, api: Api, deadline: float) -> None:
        """Wait until the batch and all its recipients have ended. Raises TimeoutError."""
        path = f"/batches/{self.batch_id}/progress"
        while True:
            progress = api.get_with_retry(path, give_up=lambda: False)
            open_recipients = sum(progress["counts"][name] for name in Recipient.Status.open())
            if progress["status"] in Batch.Status.final() and open_recipients == 0:
                return
            if time.monotonic() > deadline:
                state = f"{progress['status']}, {progress['counts']}"
                raise TimeoutError(f"after {self.plan.seconds:.0f} s: {state}")
            time.sleep(DRILL_POLL_SECONDS)

    def disrupt(self, sandbox: SandboxControl, kind: str, chance: random.Random) -> None:
        """Do to a process, to LiveKit or to PostgreSQL, what `kind` names."""
        verb, name = kind.split(" ", 1)
        if kind == "crash postgres":
            self.report("PostgreSQL crashes, and starts again")
            postgres = Servers.from_environment().postgres
            postgres.crash()
            postgres.start()
        elif kind == "crash livekit":
            self.report("LiveKit's server crashes, and starts again")
            self.has_crashed_livekit = True
            down_seconds = LIVEKIT_RESTART_SECONDS / settings.SANDBOX_SPEED
            sandbox.crash("server", down_seconds=down_seconds)
        else:
            self.signal_process(verb, name, chance)

    def signal_process(self, verb: str, name: str, chance: random.Random) -> None:
        running = next(each for each in self.supervisor.running if each.service.name == name)
        # The process leads its group, so the signal reaches everything it has started.
        group = running.process.pid
        if verb == "kill":
            self.report(f"kill -9 {name}")
            os.killpg(group, signal.SIGKILL)
        elif verb == "stop":
            seconds = chance.uniform(1.0, MAX_PAUSE_SECONDS)
            self.report(f"SIGSTOP {name} for {seconds:.1f} s")
            os.killpg(group, signal.SIGSTOP)
            time.sleep(seconds)
            os.killpg(group, signal.SIGCONT)
        else:
            self.report(f"SIGTERM {name}")
            os.killpg(group, signal.SIGTERM)


def disruption_points(plan: DrillPlan) -> Iterator[int]:
    """After how many dials each disruption happens, spread evenly over the list."""
    for index in range(plan.disruptions):
        yield round(plan.recipients * (index + 0.5) / max(1, plan.disruptions))
