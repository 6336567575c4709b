"""Runs faults of the matrix one after the other in one world, waits until every batch has ended,
and then checks each fault.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import requests
from django.db import connections

from ops.drill.case_files import case_files
from ops.drill.matrix import Fault
from ops.drill.world import ExpectationFailed, World
from voiceops.core.errors import DomainError

SUMMED_FIGURES = ("people", "dials", "dialled_twice", "lost", "review")
END_SECONDS = 100.0  # for every batch to end after the last fault


@dataclass
class FaultResult:
    """What came of one fault. `seconds` covers causing it and checking it."""

    fault: Fault
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)

    def summary_line(self) -> str:
        verdict = "BROKEN" if self.violations else "ok"
        return f"{self.fault.name:4} {verdict:6} {self.seconds:6.1f} s  {self.fault.description}"


@dataclass
class FaultRun:
    """Runs in a thread of its own, beside the supervisor, which restarts what the faults kill."""

    world: World
    faults: Sequence[Fault]
    results: list[FaultResult] = field(default_factory=list)
    is_over: bool = False
    figures: Counter[str] = field(default_factory=Counter)  # of all batches together

    def run(self) -> None:
        try:
            self.run_faults()
        finally:
            connections.close_all()
            self.is_over = True

    def run_faults(self) -> None:
        self.results = [FaultResult(fault) for fault in self.faults]
        self.world.prepare()
        caused: list[tuple[FaultResult, Iterator[None]]] = []
        started_by: dict[int, FaultResult] = {}  # by the index of the batch
        for result in self.results:
            scenario = result.fault.scenario(self.world)
            if self.advance(result, scenario):
                caused.append((result, scenario))
            # Violations of the invariants are attributed to the fault that started the batch.
            for index in range(len(self.world.batches)):
                started_by.setdefault(index, result)
            self.world.report(result.summary_line())

        self.world.wait_until_all_ended(END_SECONDS)
        # The second half of each scenario, after its `yield`: now that everything has ended.
        for result, scenario in caused:
            self.advance(result, scenario)
        for index, batch in enumerate(self.world.batches):
            # A batch without an id failed while it was uploaded, which is reported already.
            if batch.batch_id:
                ledger = batch.checked_ledger()
                started_by[index].violations += ledger.violations
                self.figures.update({name: ledger.figures()[name] for name in SUMMED_FIGURES})
                for line in case_files(ledger.recipients, batch.phone_calls()):
                    self.world.report(f"{started_by[index].fault.name} {line}")

    def advance(self, result: FaultResult, scenario: Iterator[None]) -> bool:
        """Run a scenario up to its next `yield` or its end; returns whether nothing is violated."""
        began = time.monotonic()
        try:
            next(scenario, None)
        except (ExpectationFailed, DomainError, requests.RequestException) as error:
            result.violations.append(str(error) or type(error).__name__)
        finally:
            result.seconds += time.monotonic() - began
        return not result.violations
