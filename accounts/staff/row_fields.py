"""Fields of JSON that staff edit as rows of labelled inputs, with the JSON itself in a fold-out.

A widget describes the rows; `static/voiceops/rows.js` draws them and writes the JSON. What the
rows do not name is kept as it is, and without the script the JSON can be edited as text.
"""

import json
from collections.abc import Sequence
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget

# A row's input: the key, which may lead into objects ("consequence.type"), its label, and its kind.
RowField = dict[str, Any]


def text(key: str, label: str, **options: Any) -> RowField:
    """A text of one line."""
    return {"key": key, "label": label, "kind": "text", **options}


def long_text(key: str, label: str) -> RowField:
    """A text of several lines."""
    return text(key, label, kind="long")


def number(key: str, label: str, step: str = "any") -> RowField:
    """A number; nothing where the input is empty."""
    return text(key, label, kind="number", step=step)


def tick(key: str, label: str) -> RowField:
    """Yes, or not said."""
    return text(key, label, kind="tick")


def choice(key: str, label: str, choices: Sequence[str | tuple[Any, str]]) -> RowField:
    """One of several; what is stored and not among them is offered, too."""
    named = [(item, item.replace("_", " ")) if isinstance(item, str) else item for item in choices]
    return text(key, label, kind="choice", choices=named)


def ticks(key: str, label: str, choices: Sequence[tuple[Any, str]]) -> RowField:
    """Any number of choices, as a list."""
    return text(key, label, kind="ticks", choices=list(choices))


def numbers(key: str, label: str) -> RowField:
    """A list of numbers, written with commas."""
    return text(key, label, kind="numbers")


def words(key: str, label: str) -> RowField:
    """A list of words or phrases, written with commas."""
    return text(key, label, kind="words")


def raw(key: str, label: str) -> RowField:
    """A part that stays JSON."""
    return text(key, label, kind="json")


class RowsWidget(UnfoldAdminTextareaWidget):  # type: ignore[misc]  # the library is not typed
    """A list of objects, one row each; with `is_list=False` a single object.

    `inside` is the key under which the list lies in an object, of which `outer` are fields, too;
    with `needs_rows` the object means nothing without a row.
    """

    def __init__(
        self,
        *fields: RowField,
        is_list: bool = True,
        inside: str = "",
        outer: Sequence[RowField] = (),
        needs_rows: bool = False,
        add: str = "Add",
    ) -> None:
        rows = {
            "fields": fields,
            "isList": is_list,
            "inside": inside,
            "outer": list(outer),
            "needsRows": needs_rows,
            "add": add,
        }
        super().__init__(attrs={"data-rows": json.dumps(rows), "rows": 8})

    @property
    def media(self) -> forms.Media:
        return forms.Media(js=["voiceops/rows.js"])


class PromptWidget(UnfoldAdminTextareaWidget):  # type: ignore[misc]  # the library is not typed
    """A text with `{{names}}`, which are coloured; those that nobody has declared are underlined.

    `declared` is the id of the field with the variables.
    """

    def __init__(self, declared: str, rows: int) -> None:
        super().__init__(attrs={"data-prompt": declared, "rows": rows, "spellcheck": "true"})

    @property
    def media(self) -> forms.Media:
        return forms.Media(js=["voiceops/prompt.js"])
