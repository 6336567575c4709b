"""Finds out how a text file is written, in one pass over its bytes and constant memory."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from batches.importing.source import UnreadableUpload

READ_CHUNK_BYTES = 1 << 20
UNREADABLE = "The file is unreadable: it cannot be read as a spreadsheet. Save it as CSV or XLSX and upload it again."
OLD_EXCEL = (
    "The file is unreadable: it is an old Excel workbook (.xls) or protected by a password. "
    "Save it as XLSX without a password and upload it again."
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_UNDEFINED_IN_CP1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_ESCAPED = re.compile("[\udc80-\udcff]")
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\v\f\r\x1b")


@dataclass(frozen=True, slots=True)
class TextFormat:
    """How to open a text file. `damaged`: some rows hold bytes or characters that no database
    takes.
    """

    encoding: str
    errors: str
    line_count: int
    damaged: bool


def detect_text_format(path: Path) -> TextFormat:
    """UTF-8 (with or without BOM), UTF-16, else Windows-1252 or Latin-1. Raises UnreadableUpload
    for other files.
    """
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if head.startswith(_OLE):
        raise UnreadableUpload(OLD_EXCEL)
    if encoding := _wide_encoding(head):
        return _examine_wide(path, encoding)
    if (
        b"\0" in head
        or len(head.translate(None, _CONTROLS)) < 0.99 * len(head)
        or head.lstrip()[:1] == b"<"
    ):
        raise UnreadableUpload(UNREADABLE)
    return _examine_narrow(path, "utf-8-sig" if head.startswith(codecs.BOM_UTF8) else "utf-8")


def _wide_encoding(head: bytes) -> str | None:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    half = len(head) // 2
    if half and head[1::2].count(0) > 0.8 * half and not head[::2].count(0):
        return "utf-16-le"
    if half and head[::2].count(0) > 0.8 * half and not head[1::2].count(0):
        return "utf-16-be"
    return None


def _chunks(path: Path) -> Iterator[bytes]:
    """The file in pieces. Refuses a line that no list has: memory must not depend on the file."""
    unbroken = 0
    with path.open("rb") as file:
        while chunk := file.read(READ_CHUNK_BYTES):
            unbroken = 0 if b"\n" in chunk or b"\r" in chunk else unbroken + len(chunk)
            if unbroken > READ_CHUNK_BYTES:
                raise UnreadableUpload(
                    f"The file has a row longer than {READ_CHUNK_BYTES:,} bytes: it is no list of phone numbers."
                )
            yield chunk


def _examine_wide(path: Path, encoding: str) -> TextFormat:
    decoder = codecs.getincrementaldecoder(encoding)()
    lines, damaged = 1, False
    try:
        for chunk in _chunks(path):
            text = decoder.decode(chunk)
            lines += _count_lines(text)
            damaged = damaged or "\0" in text
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise UnreadableUpload(
            "The file is unreadable: it is damaged UTF-16. Save it as CSV UTF-8 and upload it again."
        ) from error
    return TextFormat(encoding, "strict", lines, damaged)


def _count_lines(text: str) -> int:
    return max(text.count("\n"), text.count("\r"))


def _examine_narrow(path: Path, encoding: str) -> TextFormat:
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines, nul, is_utf8 = 1, False, True
    for chunk in chain(_chunks(path), [b""]):
        lines += max(chunk.count(b"\n"), chunk.count(b"\r"))
        nul = nul or b"\0" in chunk
        try:
            if is_utf8:
                decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError:
            is_utf8 = False
    if is_utf8:
        return TextFormat(encoding, "strict", lines, nul)
    if encoding == "utf-8-sig" or _is_mostly_utf8(
        path
    ):  # the few broken rows are refused, one by one
        return TextFormat(encoding, "surrogateescape", lines, damaged=True)
    is_latin = any(_UNDEFINED_IN_CP1252.search(chunk) for chunk in _chunks(path))
    return TextFormat("latin-1" if is_latin else "cp1252", "strict", lines, nul)


def _is_mostly_utf8(path: Path) -> bool:
    """Whether more letters beyond ASCII are written in UTF-8 than bytes are not."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    escaped, foreign = 0, 0
    for chunk in chain(_chunks(path), [b""]):
        text = decoder.decode(chunk, final=not chunk)
        here = len(_ESCAPED.findall(text))
        escaped += here
        foreign += len(text) - len(text.encode("ascii", "ignore")) - here
    return foreign > escaped
