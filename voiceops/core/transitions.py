"""Changes of state as data: what a compare-and-set may do, and the table that documents it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from django.db.models import Model, QuerySet, TextChoices

StateT = TypeVar("StateT", bound=TextChoices)
RowT = TypeVar("RowT", bound=Model)


@dataclass(frozen=True)
class Transition(Generic[StateT]):
    """A change of state: the function that makes it, and what leads to it.

    `sets` names every column that it may write beside the state.
    """

    verb: str
    since: tuple[StateT, ...]
    to: StateT
    evidence: str
    sets: tuple[str, ...] = ()

    state_column: ClassVar[str] = "status"

    def move_all(self, rows: QuerySet[RowT], **changes: Any) -> int:
        """Compare and set: move those of the rows that are in a state it leaves; returns how many.

        Raises ValueError for a column that the transition does not name.
        """
        movable = rows.filter(**{f"{self.state_column}__in": self.since})
        return movable.update(**self.columns(**changes))

    def apply(self, row: Model, **changes: Any) -> bool:
        """Change a row that the caller has locked and will save; False when it is in another state.

        Raises ValueError for a column that the transition does not name.
        """
        columns = self.columns(**changes)
        if getattr(row, self.state_column) not in self.since:
            return False
        for column, value in columns.items():
            setattr(row, column, value)
        return True

    def columns(self, **changes: Any) -> dict[str, Any]:
        """Return the new state and `changes`, to write to rows whose state the caller has checked.

        Raises ValueError for a column that the transition does not name.
        """
        if unknown := changes.keys() - set(self.sets):
            raise ValueError(f"{self.verb} does not set {sorted(unknown)}")
        return {self.state_column: self.to, **changes}


def transition_rows(transitions: Iterable[Transition[Any]]) -> list[str]:
    """Return the transitions as the rows of a Markdown table, its header first."""
    rows = ["| from | to | by | evidence | sets |", "|---|---|---|---|---|"]
    for transition in transitions:
        since = ", ".join(f"`{state.value}`" for state in transition.since)
        columns = ", ".join(f"`{column}`" for column in transition.sets)
        rows.append(
            f"| {since} | `{transition.to.value}` | `{transition.verb}` "
            f"| {transition.evidence} | {columns} |"
        )
    return rows
