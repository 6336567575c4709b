"""Writes an XLSX workbook as a stream, in constant memory: one sheet, every text cell typed as
text.

Only what ECMA-376 asks of a minimal workbook. Numbers are numbers, instants are ISO 8601 text;
texts stand in the cells themselves (inline strings), so that nothing has to be kept until the end.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

from batches.reporting.csv_writer import format_cell
from batches.reporting.tables import Row

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MAX_SHEET_ROWS = 1_048_576  # of a sheet
PIECE_CHARACTERS = 65_536  # characters of XML between two looks at what the archive has put out
HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
OFFICE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # not in XML 1.0

PARTS = {
    "[Content_Types].xml": (
        f'<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{OFFICE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{OFFICE}.worksheet+xml"/></Types>'
    ),
    "_rels/.rels": (
        f'<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}">'
        '<sheets><sheet name="Results" sheetId="1" r:id="rId1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>'
    ),
}


def encode_xlsx(rows: Iterable[Row]) -> Iterator[bytes]:
    """The workbook, piece by piece. Rows beyond what a sheet holds are left out."""
    out = _Outbox()
    with ZipFile(out, "w", ZIP_DEFLATED, compresslevel=1) as archive:
        for name, xml in PARTS.items():
            archive.writestr(name, HEAD + xml)
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            for piece in _sheet(rows):
                sheet.write(piece.encode())
                yield out.drain()
    yield out.drain()


def _sheet(rows: Iterable[Row]) -> Iterator[str]:
    pieces, length = [f'{HEAD}<worksheet xmlns="{MAIN}"><sheetData>'], 0
    for number, row in enumerate(rows, start=1):
        if number > MAX_SHEET_ROWS:
            break
        piece = f'<row r="{number}">{"".join([_cell(cell) for cell in row])}</row>'
        pieces.append(piece)
        length += len(piece)
        if length > PIECE_CHARACTERS:
            yield "".join(pieces)
            pieces, length = [], 0
    yield "".join([*pieces, "</sheetData></worksheet>"])


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "<c/>"
    if type(value) in (int, float):
        return f"<c><v>{value}</v></c>"
    text = escape(ILLEGAL.sub("", format_cell(value)))
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


class _Outbox:
    """A file that cannot be rewound, which is what makes the archive a stream."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """There is nothing to close."""

    def drain(self) -> bytes:
        pieces, self.pieces = self.pieces, []
        return b"".join(pieces)
