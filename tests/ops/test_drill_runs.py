"""What `manage.py drill --all` makes of its runs: their order, and the verdict on all together."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from ops.drill import parallel_runs
from ops.drill.matrix import MATRIX, WORLDS
from ops.drill.parallel_runs import DrillRun, run_all, runs_for_faults, runs_for_seeds


def run_with(
    name: str, *, people: int, review: int, exit_code: int = 0, seconds: int = 0
) -> DrillRun:
    figures = [f"figure people {people}", f"figure review {review}"]
    return DrillRun(name, (), expected_seconds=seconds, output=figures, exit_code=exit_code)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the runs in the order in which they began; nothing is run."""
    names: list[str] = []

    def begin(run: DrillRun, report: parallel_runs.Report, *, database: Path | None = None) -> None:
        names.append(run.name)

    monkeypatch.setattr(parallel_runs, "run_one", begin)
    monkeypatch.setattr(parallel_runs, "prepared_database", lambda: nullcontext(Path()))
    return names


@pytest.mark.parametrize(
    ("review", "exit_code", "holds"), [(10, 0, True), (11, 0, False), (0, 1, False)]
)
def test_more_than_one_percent_in_review_breaks_a_promise_and_so_does_one_broken_run(
    begun: list[str], review: int, exit_code: int, holds: bool
) -> None:
    runs = [
        run_with("one", people=400, review=review),
        run_with("two", people=600, review=0, exit_code=exit_code),
    ]
    lines: list[str] = []

    assert run_all(runs, lines.append, max_review_share=0.01) is holds
    sentence = f"BROKEN: {review} of 1000 people are in review, 1% allowed"
    assert (sentence in lines) is (review > 10)


def test_a_single_fault_may_leave_all_of_its_few_people_in_review(begun: list[str]) -> None:
    assert run_all([run_with("line", people=5, review=5)], lambda _: None)


def test_the_longest_run_begins_first(begun: list[str]) -> None:
    runs = [
        run_with("short", people=1, review=0, seconds=1),
        run_with("long", people=1, review=0, seconds=3),
        run_with("middle", people=1, review=0, seconds=2),
    ]

    run_all(runs, lambda _: None, max_parallel=1)

    assert begun == ["long", "middle", "short"]


def test_every_world_and_seed_says_how_long_it_takes() -> None:
    runs = [*runs_for_faults(MATRIX), *runs_for_seeds([1])]

    assert [run.name for run in runs if not run.expected_seconds] == []
    assert {run.name for run in runs} == {*WORLDS, "seed1"}
