"""Detects a text file's encoding and line count, in one pass and constant memory."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from batches.importing.alphabets import guess_alphabet
from batches.importing.source import UnreadableUpload

TEXT_CHUNK_BYTES = 1 << 20
HEAD_BYTES = 1 << 16
NOT_A_SPREADSHEET = (
    "The file is unreadable: it cannot be read as a spreadsheet. "
    "Save it as CSV or XLSX and upload it again."
)
OLD_EXCEL = (
    "The file is unreadable: it is an old Excel workbook (.xls) or protected by a password. "
    "Save it as XLSX without a password and upload it again."
)
# Text, but no list: how it begins, and what to do.
_OTHER_KINDS = (
    (rb"%PDF|\{\\rtf", NOT_A_SPREADSHEET),
    (
        rb"BEGIN:VCARD",
        "The file is an address book (vCard), not a list: export it as CSV and upload that.",
    ),
    (
        rb"\[\s*[{\[\]]|\{\s*\"",
        "The file is JSON, not a list: send the recipients in the body of the request, or upload "
        "them as CSV.",
    ),
)
_OLE_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_UNDEFINED_IN_CP1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_ESCAPED = re.compile("[\udc80-\udcff]")
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\v\f\r\x1b")
MIN_TEXT_SHARE = 0.99
MIN_WIDE_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class TextFormat:
    """How to open a text file.

    `damaged` when some rows hold bytes or characters that the database cannot store.
    """

    encoding: str
    errors: str
    line_count: int
    damaged: bool
    remark: str | None = None
    """What the uploader should know about the encoding."""


def detect_text_format(path: Path) -> TextFormat:
    """Detect UTF-8 (with or without BOM), UTF-16, or else an older encoding of one language.

    Raises UnreadableUpload for other files.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(_OLE_SIGNATURE):
        raise UnreadableUpload(OLD_EXCEL)
    if encoding := _wide_encoding(head):
        return _examine_wide(path, encoding)
    # HTML saved under a spreadsheet's name is text, but no list.
    if b"\0" in head or not _is_mostly_text(head) or head.lstrip()[:1] == b"<":
        raise UnreadableUpload(NOT_A_SPREADSHEET)
    for beginning, refusal in _OTHER_KINDS:
        if re.match(beginning, head.removeprefix(codecs.BOM_UTF8).lstrip(), re.IGNORECASE):
            raise UnreadableUpload(refusal)
    return _examine_narrow(path, "utf-8-sig" if head.startswith(codecs.BOM_UTF8) else "utf-8")


def _is_mostly_text(head: bytes) -> bool:
    return len(head.translate(None, _CONTROLS)) >= MIN_TEXT_SHARE * len(head)


def _wide_encoding(head: bytes) -> str | None:
    """Return the kind of UTF-16, by its BOM or by the bytes that are zero in mostly ASCII text."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    half = len(head) // 2
    even_zeros = head[::2].count(0)
    odd_zeros = head[1::2].count(0)
    if half and odd_zeros > MIN_WIDE_SHARE * half and not even_zeros:
        return "utf-16-le"
    if half and even_zeros > MIN_WIDE_SHARE * half and not odd_zeros:
        return "utf-16-be"
    return None


def _read_chunks(path: Path) -> Iterator[bytes]:
    """Yield the file in pieces.

    Raises UnreadableUpload for a line longer than any list has: memory must not depend on the file.
    """
    unbroken = 0
    with path.open("rb") as file:
        while chunk := file.read(TEXT_CHUNK_BYTES):
            unbroken = 0 if b"\n" in chunk or b"\r" in chunk else unbroken + len(chunk)
            if unbroken > TEXT_CHUNK_BYTES:
                raise UnreadableUpload(
                    f"The file has a row longer than {TEXT_CHUNK_BYTES:,} bytes: "
                    "it is not a list of phone numbers."
                )
            yield chunk


def _examine_wide(path: Path, encoding: str) -> TextFormat:
    decoder = codecs.getincrementaldecoder(encoding)()
    line_count = 1
    damaged = False
    try:
        for chunk in _read_chunks(path):
            text = decoder.decode(chunk)
            line_count += max(text.count("\n"), text.count("\r"))
            damaged = damaged or "\0" in text
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise UnreadableUpload(
            "The file is unreadable: it is damaged UTF-16. "
            "Save it as CSV UTF-8 and upload it again."
        ) from error
    return TextFormat(encoding, "strict", line_count, damaged)


def _examine_narrow(path: Path, encoding: str) -> TextFormat:
    decoder = codecs.getincrementaldecoder("utf-8")()
    line_count = 1
    has_nul = False
    is_utf8 = True
    for chunk in chain(_read_chunks(path), [b""]):
        line_count += max(chunk.count(b"\n"), chunk.count(b"\r"))
        has_nul = has_nul or b"\0" in chunk
        try:
            if is_utf8:
                decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError:
            is_utf8 = False

    if is_utf8:
        return TextFormat(encoding, "strict", line_count, has_nul)
    if encoding == "utf-8-sig" or _is_mostly_utf8(path):
        # The few broken rows are rejected one by one.
        return TextFormat(encoding, "surrogateescape", line_count, damaged=True)
    guess = guess_alphabet(path)
    if guess is not None and guess.encoding is not None:
        return TextFormat(guess.encoding, "replace", line_count, has_nul, guess.remark)
    # Windows-1252 leaves five bytes undefined; a file with one of them is Latin-1.
    is_latin = any(_UNDEFINED_IN_CP1252.search(chunk) for chunk in _read_chunks(path))
    encoding = "latin-1" if is_latin else "cp1252"
    return TextFormat(encoding, "strict", line_count, has_nul, guess and guess.remark)


def _is_mostly_utf8(path: Path) -> bool:
    """Whether UTF-8 decodes more characters beyond ASCII than it leaves bytes undecoded."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    undecoded = 0
    decoded = 0
    for chunk in chain(_read_chunks(path), [b""]):
        text = decoder.decode(chunk, final=not chunk)
        escaped = len(_ESCAPED.findall(text))
        undecoded += escaped
        decoded += len(text) - len(text.encode("ascii", "ignore")) - escaped
    return decoded > undecoded
