"""Finds out how a text file is written, in one pass over its bytes and constant memory."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from batches.importing.upload import UnreadableUpload

CHUNK = 1 << 20
UNREADABLE = "The file is unreadable: it cannot be read as a spreadsheet. Save it as CSV or XLSX and upload it again."
OLD_EXCEL = (
    "The file is unreadable: it is an old Excel workbook (.xls) or protected by a password. "
    "Save it as XLSX without a password and upload it again."
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_UNDEFINED_IN_CP1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_ESCAPED = re.compile("[\udc80-\udcff]")
_FOREIGN = re.compile("[^\x00-\x7f\udc80-\udcff]")
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\v\f\r\x1b")


@dataclass(frozen=True, slots=True)
class TextForm:
    """How to open a text file. `damaged`: some rows hold bytes or characters that no database takes."""

    encoding: str
    errors: str
    line_count: int
    damaged: bool


def detect_text(path: Path) -> TextForm:
    """UTF-8 (with or without BOM), UTF-16, else Windows-1252 or Latin-1. Raises UnreadableUpload for other files."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if head.startswith(_OLE):
        raise UnreadableUpload(OLD_EXCEL)
    if encoding := _wide_encoding(head):
        return _examine_wide(path, encoding)
    if b"\0" in head or len(head.translate(None, _CONTROLS)) < 0.99 * len(head) or head.lstrip()[:1] == b"<":
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
        while chunk := file.read(CHUNK):
            unbroken = 0 if b"\n" in chunk or b"\r" in chunk else unbroken + len(chunk)
            if unbroken > CHUNK:
                raise UnreadableUpload(
                    f"The file has a row longer than {CHUNK:,} bytes: it is no list of phone numbers."
                )
            yield chunk


def _examine_wide(path: Path, encoding: str) -> TextForm:
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
    return TextForm(encoding, "strict", lines, damaged)


def _count_lines(text: str) -> int:
    return max(text.count("\n"), text.count("\r"))


def _examine_narrow(path: Path, encoding: str) -> TextForm:
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    lines, escaped, foreign, nul, undefined = 1, 0, 0, False, False
    for chunk in _chunks(path):
        lines += max(chunk.count(b"\n"), chunk.count(b"\r"))
        nul = nul or b"\0" in chunk
        if not chunk.isascii() or decoder.getstate()[0]:
            text = decoder.decode(chunk)
            escaped += len(_ESCAPED.findall(text))
            foreign += len(_FOREIGN.findall(text))
            undefined = undefined or _UNDEFINED_IN_CP1252.search(chunk) is not None
    escaped += len(decoder.decode(b"", final=True))
    if not escaped:
        return TextForm(encoding, "strict", lines, nul)
    if encoding == "utf-8-sig" or foreign > escaped:  # UTF-8 with a few broken rows: those are refused, one by one
        return TextForm(encoding, "surrogateescape", lines, damaged=True)
    return TextForm("latin-1" if undefined else "cp1252", "strict", lines, nul)
