"""The outcomes of a batch, counted from its results.csv."""

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from batches.domain.spreadsheets import RESULT_COLUMNS

BAR_WIDTH = 30


@dataclass(frozen=True)
class ResultRow:
    status: str
    outcome: str
    reason: str

    @property
    def label(self) -> str:
        """The outcome of a recipient who was called, else the status and its reason."""
        if self.status == "review":
            return "in review"
        return self.outcome or f"{self.status} ({self.reason})".replace(" ()", "")


def read_results(path: Path) -> list[ResultRow]:
    """Read the last columns, found by position: uploaded ones may have the same names.

    Raises ValueError when the file does not end in the columns of a results.csv.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file)
        header = next(lines, [])
        if tuple(header[-len(RESULT_COLUMNS) :]) != RESULT_COLUMNS:
            raise ValueError(f"{path} does not end in the columns {', '.join(RESULT_COLUMNS)}")
        return [ResultRow(*line[-len(RESULT_COLUMNS) :][:3]) for line in lines]


def outcome_table(rows: Iterable[ResultRow], *, rejected: int) -> str:
    """A line for each label, the most frequent first, with its share of the list as a bar."""
    counts = Counter(row.label for row in rows)
    if rejected:
        counts["rejected (not a number to call)"] = rejected
    total = counts.total()
    width = max(map(len, [*counts, "outcome"]))

    lines = [f"  {'outcome':{width}}  recipients  share"]
    for label, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        share = count / total
        bar = "█" * round(share * BAR_WIDTH)
        lines.append(f"  {label:{width}}  {count:10}  {share:5.1%}  {bar}".rstrip())
    return "\n".join([*lines, f"  {'total':{width}}  {total:10}"])
