"""Encodes a table as an XLSX workbook, as a stream in constant memory.

One sheet, with only what ECMA-376 requires of a minimal workbook. Numbers are numbers, instants are
text in ISO 8601. Texts stand in the cells themselves (inline strings) and are typed as text, so
that nothing has to be kept until the end and no spreadsheet reads one as a formula.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any
from xml.sax.saxutils import escape, quoteattr
from zipfile import ZIP_DEFLATED, ZipFile

from voiceops.core.csv_encoding import Row, format_cell

XLSX_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MAX_SHEET_ROWS = 1_048_576
MAX_SHEET_NAME_CHARACTERS = 31
PIECE_CHARACTERS = 65_536  # of XML, written to the archive at a time
XML_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
OFFICE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
RELATIONS_TYPE = "application/vnd.openxmlformats-package.relationships+xml"
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

WORKBOOK_PARTS = {
    "[Content_Types].xml": (
        f'<Types xmlns="{PACKAGE}/content-types">'
        f'<Default Extension="rels" ContentType="{RELATIONS_TYPE}"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{OFFICE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{OFFICE}.worksheet+xml"/>'
        "</Types>"
    ),
    "_rels/.rels": (
        f'<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/>'
        "</Relationships>"
    ),
    "xl/workbook.xml": (
        f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}">'
        '<sheets><sheet name="SHEET" sheetId="1" r:id="rId1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/>'
        "</Relationships>"
    ),
}


def encode_xlsx(rows: Iterable[Row], sheet_name: str = "Results") -> Iterator[bytes]:
    """Yield the workbook in pieces. Rows beyond what a sheet can hold are left out."""
    title = quoteattr(sheet_name[:MAX_SHEET_NAME_CHARACTERS])
    buffer = _ArchiveBuffer()
    with ZipFile(buffer, "w", ZIP_DEFLATED, compresslevel=1) as archive:
        for name, xml in WORKBOOK_PARTS.items():
            archive.writestr(name, XML_HEAD + xml.replace('"SHEET"', title))
        # The size is unknown beforehand, and may exceed what 32 bits hold.
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            for piece in _sheet_xml(rows):
                sheet.write(piece.encode())
                yield buffer.drain()
    yield buffer.drain()


def _sheet_xml(rows: Iterable[Row]) -> Iterator[str]:
    pieces = [f'{XML_HEAD}<worksheet xmlns="{MAIN}"><sheetData>']
    length = 0
    for row_number, row in enumerate(rows, start=1):
        if row_number > MAX_SHEET_ROWS:
            break
        cells = "".join([_cell_xml(cell) for cell in row])
        piece = f'<row r="{row_number}">{cells}</row>'
        pieces.append(piece)
        length += len(piece)
        if length > PIECE_CHARACTERS:
            yield "".join(pieces)
            pieces = []
            length = 0
    yield "".join([*pieces, "</sheetData></worksheet>"])


def _cell_xml(value: Any) -> str:
    if value is None or value == "":
        return "<c/>"
    # Exact types: a boolean is an int, and is written as text.
    if type(value) in (int, float):
        return f"<c><v>{value}</v></c>"
    text = escape(_NOT_IN_XML.sub("", format_cell(value)))
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


class _ArchiveBuffer:
    """A file that cannot seek: so ZipFile writes the archive as a stream."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: ZipFile calls it, and pieces are kept until `drain`."""

    def close(self) -> None:
        """Do nothing: ZipFile calls it."""

    def drain(self) -> bytes:
        """Return what was written since the last call."""
        pieces, self.pieces = self.pieces, []
        return b"".join(pieces)
