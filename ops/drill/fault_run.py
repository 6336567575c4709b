"""Faults of the matrix, one after the other in one world; then everything comes to rest, and is
looked at.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import requests
from django.db import connections

from ops.drill.matrix import Fault
from ops.drill.world import Broken, World
from voiceops.core.errors import DomainError

REST_SECONDS = 100.0


@dataclass
class Verdict:
    fault: Fault
    seconds: float = 0.0  # until it had struck, and with the look afterwards
    broken: list[str] = field(default_factory=list)

    def line(self) -> str:
        return f"{self.fault.name:4} {'BROKEN' if self.broken else 'ok':6} {self.seconds:6.1f} s  {self.fault.what}"


@dataclass
class FaultRun:
    """Runs beside the supervisor's watch, in a thread of its own."""

    world: World
    faults: Sequence[Fault]
    verdicts: list[Verdict] = field(default_factory=list)
    over: bool = False

    def run(self) -> None:
        try:
            self.rehearse()
        finally:
            connections.close_all()
            self.over = True

    def rehearse(self) -> None:
        self.verdicts = [Verdict(fault) for fault in self.faults]
        self.world.enter()
        struck: list[tuple[Verdict, Iterator[None]]] = []
        mine: dict[int, Verdict] = {}
        for verdict in self.verdicts:
            scenario = verdict.fault.scenario(self.world)
            if self.step(verdict, scenario):
                struck.append((verdict, scenario))
            for index in range(len(self.world.lists)):
                mine.setdefault(index, verdict)
            self.world.tell(verdict.line())
        self.world.rest(REST_SECONDS)
        for verdict, scenario in struck:
            self.step(verdict, scenario)
        for index, people in enumerate(self.world.lists):
            mine[index].broken += people.ledger().broken if people.batch_id else []

    def step(self, verdict: Verdict, scenario: Iterator[None]) -> bool:
        """Go on with a scenario; whether it went well."""
        began = time.monotonic()
        try:
            next(scenario, None)
        except (Broken, DomainError, requests.RequestException) as error:
            verdict.broken.append(str(error) or type(error).__name__)
        finally:
            verdict.seconds += time.monotonic() - began
        return not verdict.broken
