"""What happened to the people of a batch, counted from its results.csv."""

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# api-contract.md 7: these follow the uploaded columns, which may bear the same names.
APPENDED = (
    "status",
    "outcome",
    "reason",
    "attempts",
    "sip_status_code",
    "called_at",
    "duration_seconds",
    "call_id",
)
BAR_WIDTH = 30


@dataclass(frozen=True)
class Row:
    status: str
    outcome: str
    reason: str

    @property
    def label(self) -> str:
        """In one or two words: the outcome of who was called, the reason of who was not."""
        if self.status == "review":
            return "in review"
        return self.outcome or f"{self.status} ({self.reason})".replace(" ()", "")


def read_results(path: Path) -> list[Row]:
    """Raises ValueError when the file is no results.csv."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file)
        header = next(lines, [])
        if tuple(header[-len(APPENDED) :]) != APPENDED:
            raise ValueError(f"{path} does not end in the columns {', '.join(APPENDED)}")
        return [Row(*line[-len(APPENDED) :][:3]) for line in lines]


def table(rows: Iterable[Row], *, rejected: int) -> str:
    """A line per label, the most frequent first, with its share of the list as a bar."""
    counts = Counter(row.label for row in rows)
    if rejected:
        counts["rejected (not a number to call)"] = rejected
    total = counts.total()
    width = max(map(len, [*counts, "outcome"]))
    lines = [f"  {'outcome':{width}}  people  share"]
    for label, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        share = count / total
        lines.append(
            f"  {label:{width}}  {count:6}  {share:5.1%}  {'█' * round(share * BAR_WIDTH)}".rstrip()
        )
    return "\n".join([*lines, f"  {'total':{width}}  {total:6}"])
