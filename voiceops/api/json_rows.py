"""Long bodies of JSON whose weight is one list, such as a million recipients.

A parsed list takes up to thirty times the memory of its text. So the text is kept, and the list is
parsed a block at a time whenever it is read: memory stays near the length of the body.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, overload

import orjson
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError, ValidationError

from voiceops.core.errors import Invalid

ROWS_PER_BLOCK = 500
MAX_ROW_LEVELS = 4  # of lists and objects in a row; a good row has two
# Possessive throughout: no text makes the scan go back, so its time is linear.
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_ATOM = rb'[^\s{}\[\]",:]++'
_LEVEL = rb"[{\[](?:[^{}\[\]\"]++|" + _STRING + rb")*+[}\]]"
for _ in range(MAX_ROW_LEVELS - 1):
    _LEVEL = rb"[{\[](?:[^{}\[\]\"]++|" + _STRING + rb"|" + _LEVEL + rb")*+[}\]]"
_VALUE = rb"\s*+(?:" + _LEVEL + rb"|" + _STRING + rb"|" + _ATOM + rb")\s*+"
_BLOCK = re.compile(rb"%s(?:,%s){0,%d}+" % (_VALUE, _VALUE, ROWS_PER_BLOCK - 1), re.DOTALL)
_NAME = re.compile(rb"\s*+(" + _STRING + rb")\s*+:\s*+", re.DOTALL)
_PLAIN_VALUE = re.compile(_VALUE, re.DOTALL)
_PUNCTUATION = re.compile(rb"\s*+([{}\[\],])\s*+")

Parse = Callable[[bytes], Any]


class RowLimits(NamedTuple):
    """How many rows there may be, and how long one row, or everything but the rows, may be."""

    rows: int
    bytes: int


class JsonRows(Sequence[Any]):
    """The items of a JSON array; each pass parses them again, a block at a time."""

    def __init__(self, body: bytes, blocks: list[tuple[int, int]], length: int) -> None:
        self._body = body
        self._blocks = blocks
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Any]:
        for start, end in self._blocks:
            yield from _parse_block(self._body, start, end)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return list(islice(self, *index.indices(self._length)))
        return next(islice(self, range(self._length)[index], None))


def parse_long_object(body: bytes, *, rows_name: str, parse: Parse, limits: RowLimits) -> Any:
    """Parse an object of which the member `rows_name` may be long; that becomes `JsonRows`.

    `parse` parses strict JSON and checks it; here it gets the other members together, and every
    block of rows once. Raises ParseError, and ValidationError as `parse` does; RequestDataTooBig
    when the other members or one row are too long, Invalid for too many rows.
    """
    kind, position = _read_punctuation(body, 0)
    if kind != b"{":
        # No object: whatever it is, the schema refuses it without its content.
        return []
    others: list[bytes] = []
    others_bytes = 0
    rows: JsonRows | None = None
    while kind != b"}":
        start, position = position, _find_value(body, position)
        if body[position : position + 1] == b"[" and _has_name(body, start, rows_name):
            parse_rows = partial(_parse_rows, parse, rows_name)
            rows, position = _read_rows(body, position, parse_rows, limits)
        else:
            position = _find_value_end(body, position)
            others.append(body[start:position])
            others_bytes += position - start
        if others_bytes > limits.bytes:
            raise RequestDataTooBig
        kind, position = _read_separator(body, position)
        if kind == b"]":
            raise ParseError
    if position != len(body):
        raise ParseError
    data = parse(b"{" + b",".join(others) + b"}")
    return data if rows is None else {**data, rows_name: rows}


def _find_value(body: bytes, position: int) -> int:
    """Return where the value of the member begins whose name is next. Raises ParseError."""
    name = _NAME.match(body, position)
    if name is None:
        raise ParseError
    return name.end()


def _has_name(body: bytes, position: int, expected: str) -> bool:
    name = _NAME.match(body, position)
    return name is not None and orjson.loads(name[1]) == expected


def _find_value_end(body: bytes, position: int) -> int:
    value = _PLAIN_VALUE.match(body, position)
    if value is None:
        raise ParseError
    return value.end()


def _read_separator(body: bytes, position: int) -> tuple[bytes, int]:
    """Return the comma or closing bracket that is next, and where it ends. Raises ParseError."""
    kind, position = _read_punctuation(body, position)
    if kind not in (b",", b"}", b"]"):
        raise ParseError
    return kind, position


def _parse_block(body: bytes, start: int, end: int) -> list[Any]:
    # Checked once already, when the body was read.
    rows: list[Any] = orjson.loads(b"[%s]" % body[start:end])
    return rows


def _parse_rows(parse: Parse, rows_name: str, text: bytes, before: int) -> list[Any]:
    """Parse an array of rows that have so many others before them.

    Raises ParseError, and ValidationError with the rows' places in the body.
    """
    try:
        rows: list[Any] = parse(text)
    except ValidationError as error:
        by_position: Any = error.detail  # and a count of those that are not listed
        placed: Any = {
            before + at if isinstance(at, int) else at: detail for at, detail in by_position.items()
        }
        raise ValidationError({rows_name: placed}) from error
    return rows


def _read_rows(
    body: bytes, position: int, parse: Callable[[bytes, int], list[Any]], limits: RowLimits
) -> tuple[JsonRows, int]:
    """Return the array that begins at `position`, and where it ends.

    `parse` gets an array of some rows, and how many others lie before them. Raises what it raises,
    ParseError, and Invalid for too many rows.
    """
    _, position = _read_punctuation(body, position)
    blocks: list[tuple[int, int]] = []
    length = 0
    if body[position : position + 1] == b"]":
        return JsonRows(body, blocks, length), _read_punctuation(body, position)[1]
    while True:
        start, end = _find_block(body, position, limits.bytes)
        length += len(parse(b"[%s]" % body[start:end], length))
        if length > limits.rows:
            raise Invalid(
                f"The list has more than {limits.rows:,} rows: split it into several lists."
            )
        blocks.append((start, end))
        kind, position = _read_separator(body, end)
        if kind == b"]":
            return JsonRows(body, blocks, length), position
        if kind == b"}":
            raise ParseError


def _find_block(body: bytes, position: int, max_bytes: int) -> tuple[int, int]:
    """Return where the next rows begin and end: one row, if it is a long one.

    Raises ParseError, and RequestDataTooBig for a row that is too long.
    """
    block = _BLOCK.match(body, position)
    if block is not None and block.end() - position > max_bytes:
        block = _PLAIN_VALUE.match(body, position)
    if block is None:
        raise ParseError
    if block.end() - position > max_bytes:
        raise RequestDataTooBig
    return block.span()


def _read_punctuation(body: bytes, position: int) -> tuple[bytes, int]:
    """Return the next punctuation mark and where it ends. Raises ParseError for another text."""
    mark = _PUNCTUATION.match(body, position)
    if mark is None:
        raise ParseError
    return mark[1], mark.end()
