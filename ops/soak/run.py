"""A soak: a hostile workspace does everything it can for some minutes, and what a calm neighbour
has felt of it is judged.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import connections

from ops.demo import workspace
from ops.demo.client import Api
from ops.serving.processes import local_url
from ops.serving.supervisor import Supervisor
from ops.soak.attack_process import Answers, silent_server, under_attack
from ops.soak.attacks import BROKEN, HostileWorkspace
from ops.soak.calm import CALM_RATE, CalmWorkspace, receiver
from ops.soak.memory import resident_bytes
from voiceops.core.errors import DomainError

MAX_READ_SECONDS = 1.0  # 99 of 100 reads of the calm workspace
MIN_PACE_SHARE = 0.9
MAX_WEBHOOK_SECONDS = 10.0
MAX_PROCESS_MEGABYTES = 500.0
MEGABYTE = 1_000_000
MEMORY_SAMPLE_SECONDS = 0.5
FIRST_DIAL_SECONDS = 30.0
# After the attacks, for the calls and webhooks that are under way.
SETTLE_SECONDS = 12.0
PASSWORD = "a long password of the soak"  # noqa: S105  # of users that live for minutes
HOSTILE_NUMBER = "+12025550177"


@dataclass(frozen=True)
class Judgement:
    """One promise, what was measured, and whether it was kept."""

    promise: str
    measured: str
    is_kept: bool

    def __str__(self) -> str:
        return f"{'ok' if self.is_kept else 'BROKEN':7} {self.promise:52} {self.measured}"


@dataclass
class Soak:
    """Runs in a thread of its own, beside the supervisor, which restarts what may die."""

    supervisor: Supervisor
    seconds: float
    report: Callable[[str], None]
    judgements: list[Judgement] = field(default_factory=list)
    failure: str = ""
    is_over: bool = False
    answers: Answers = field(default_factory=Counter)
    # The most memory of each process, by service and process id.
    peaks: dict[tuple[str, int], int] = field(default_factory=dict)

    def run(self) -> None:
        """Run the soak; `failure` says why it did not come to its end."""
        try:
            self.run_soak()
        except (DomainError, OSError) as error:
            self.failure = f"{type(error).__name__}: {error}"
        finally:
            connections.close_all()
            self.is_over = True

    def run_soak(self) -> None:
        """Attack for `seconds` while the calm workspace works. Raises ApiError, DomainError."""
        with ExitStack() as stack:
            calm = self.prepare_calm(stack.enter_context(receiver()))
            hostile = self.prepare_hostile(stack.enter_context(silent_server()))
            calm.start_batch(Path(settings.DATA_DIR), self.seconds)
            self.wait_for_first_dial(calm)
            reader = threading.Thread(target=calm.read_lists, name="reader", daemon=True)
            reader.start()
            self.report(f"Attacking for {self.seconds:.0f} s")
            with under_attack(hostile, self.answers):
                self.watch_memory(self.seconds)
            calm.stopped.set()
            reader.join(timeout=60)
            self.watch_memory(SETTLE_SECONDS)
            self.report_attacks()
            self.judgements = self.check_promises(calm)

    # --- preparing ---

    def prepare_calm(self, webhook_url: str) -> CalmWorkspace:
        """Create the calm workspace. Raises ApiError."""
        demo = workspace.prepare_workspace(local_url(), email="calm@example.com", password=PASSWORD)
        demo.api.post("/webhooks", {"url": webhook_url})
        return CalmWorkspace(demo.api, demo.agent_id, self.add_number(demo.api, "+12025550101"))

    def prepare_hostile(self, dead_url: str) -> HostileWorkspace:
        """Create the hostile workspace. Raises ApiError."""
        api = Api(local_url(), email="hostile@example.com", password=PASSWORD)
        api.register(name="Hostile", workspace_name="Hostile")
        agent = api.post("/agents", workspace.AGENT)
        api.post(f"/agents/{agent['id']}/publish")
        number_id = self.add_number(api, HOSTILE_NUMBER)
        return HostileWorkspace(api, agent["id"], number_id, dead_url)

    def add_number(self, api: Api, phone_number: str) -> str:
        body = {**workspace.TRUNK, "phone_number": phone_number, "calls_per_second": CALM_RATE}
        return str(api.post("/phone-numbers", body)["id"])

    def wait_for_first_dial(self, calm: CalmWorkspace) -> None:
        """Raises DomainError when nothing is dialled."""
        deadline = time.monotonic() + FIRST_DIAL_SECONDS
        while not calm.count_dials():
            if time.monotonic() > deadline:
                raise DomainError("The calm batch has dialled nobody")
            time.sleep(MEMORY_SAMPLE_SECONDS)

    # --- measuring ---

    def watch_memory(self, seconds: float) -> None:
        """Sample the memory of all processes for so long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for running in self.supervisor.running:
                for process, size in resident_bytes([running.process.pid]).items():
                    key = running.service.name, process
                    self.peaks[key] = max(size, self.peaks.get(key, 0))
            time.sleep(MEMORY_SAMPLE_SECONDS)

    def report_attacks(self) -> None:
        """Report what was answered to each attack."""
        answers: dict[str, list[str]] = {}
        for (attack, answer), count in sorted(self.answers.items()):
            answers.setdefault(attack, []).append(f"{count} x {answer}")
        for attack, counts in answers.items():
            self.report(f"        {attack:20} {', '.join(counts)}")

    def check_promises(self, calm: CalmWorkspace) -> list[Judgement]:
        """Return what became of each promise. Raises ApiError."""
        read = calm.slowest_percent()
        share = calm.pace_share()
        lag, arrived = calm.longest_webhook_seconds()
        service, peak = max(
            ((name, size / MEGABYTE) for (name, _), size in self.peaks.items()),
            key=lambda item: item[1],
            default=("none", 0.0),
        )
        lost = self.answers["refused bodies", BROKEN]
        return [
            Judgement(
                f"99 of 100 reads take less than {MAX_READ_SECONDS:g} s",
                f"{read:.3f} s of {len(calm.read_seconds)}",
                bool(calm.read_seconds) and read < MAX_READ_SECONDS,
            ),
            Judgement("no read fails", str(calm.failed_reads), not calm.failed_reads),
            Judgement(
                f"the batch keeps {MIN_PACE_SHARE:g} of its pace",
                f"{share:.3f}",
                share >= MIN_PACE_SHARE,
            ),
            Judgement(
                f"webhooks arrive within {MAX_WEBHOOK_SECONDS:g} s",
                f"{lag:.1f} s of {arrived}",
                bool(arrived) and lag <= MAX_WEBHOOK_SECONDS,
            ),
            Judgement(
                f"no process grows past {MAX_PROCESS_MEGABYTES:g} MB",
                f"{peak:.0f} MB ({service})",
                peak <= MAX_PROCESS_MEGABYTES,
            ),
            Judgement("no connection is lost after a refused body", str(lost), not lost),
        ]
