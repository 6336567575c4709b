"""Builders of this folder: lists in files, and batches whose list waits for its import."""

import csv
import json
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from accounts.models import Workspace
from agents.models import Agent, AgentVersion
from batches.importing.json_source import RECIPIENTS_SUFFIX, write_recipients
from batches.importing.lease import unread_batches
from batches.models import Batch, Recipient, RejectedRow
from batches.services.imports import import_batch
from voiceops.core.clock import database_now
from voiceops.core.ids import uuid7

FIXTURES = Path(__file__).parents[2] / "fixtures" / "lists"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FIXTURES / "expected.json").read_text())
READABLE = [name for name, expected in EXPECTED.items() if "error" not in expected]
CONTENT_TYPES = (
    b'<?xml version="1.0"?>'
    b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    b'<Default Extension="rels" '
    b'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    b'<Override PartName="/xl/workbook.xml" '
    b'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
    b"</Types>"
)
RELATIONSHIPS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def text_file(folder: Path, text: str, *, encoding: str = "utf-8", name: str = "list.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def csv_file(folder: Path, rows: Iterable[Sequence[str]], name: str = "list.csv") -> Path:
    path = folder / name
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def agent_version(
    workspace: Workspace, variables: list[dict[str, Any]] | None = None
) -> AgentVersion:
    agent = Agent.unscoped.create(
        workspace=workspace, name="Caller", system_prompt="Be kind", variables=variables or []
    )
    return agent.create_version()


def batch(workspace: Workspace, content: Path | str | list[dict[str, Any]], **fields: Any) -> Batch:
    """Create a batch whose list (a file, its text, or JSON recipients) waits for its import."""
    version = fields.pop("agent_version", None) or agent_version(
        workspace, fields.pop("variables", None)
    )
    return Batch.unscoped.create(
        workspace=workspace,
        name="List",
        agent=version.agent,
        agent_version=version,
        **{"upload": keep(content), "default_country": "US", **fields},
    )


def keep(content: Path | str | list[dict[str, Any]]) -> str:
    """Store a list as an upload. Returns its name."""
    name = f"{uuid7()}{RECIPIENTS_SUFFIX if isinstance(content, list) else ''}"
    path = Path(settings.DATA_DIR) / "uploads" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, list):
        write_recipients(path, content)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content.read_bytes())
    return name


def imported(
    workspace: Workspace, content: Path | str | list[dict[str, Any]], **fields: Any
) -> Batch:
    made = batch(workspace, content, **fields)
    import_batch(made.pk)
    made.refresh_from_db()
    return made


def unread() -> list[UUID]:
    """Batches with a list that no process is reading."""
    return [batch.pk for batch in unread_batches(database_now())]


def recipients(of: Batch) -> list[tuple[int, str, str, str | None]]:
    rows = Recipient.unscoped.filter(batch=of).order_by("row_number")
    return list(rows.values_list("row_number", "phone_number", "status", "reason"))


def rejected(of: Batch) -> list[tuple[int, str, list[Any]]]:
    rows = RejectedRow.unscoped.filter(batch=of).order_by("row_number")
    return list(rows.values_list("row_number", "error_code", "values"))


def workbook(
    path: Path, sheet: bytes, *, shared_strings: bytes = b"", sheets: Sequence[str] = ("Sheet",)
) -> Path:
    """Write a workbook of raw XML, as no library would. All sheets have the same content."""
    parts = {
        "[Content_Types].xml": CONTENT_TYPES,
        "_rels/.rels": _relations([("rId1", "officeDocument", "xl/workbook.xml")]),
        "xl/_rels/workbook.xml.rels": _relations(
            [
                (f"rId{n}", "worksheet", f"worksheets/sheet{n}.xml")
                for n in range(1, len(sheets) + 1)
            ]
            + [("rId99", "sharedStrings", "sharedStrings.xml")]
        ),
        "xl/workbook.xml": (
            f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
            + "".join(
                f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>'
                for n, name in enumerate(sheets, start=1)
            )
            + "</sheets></workbook>"
        ).encode(),
        "xl/sharedStrings.xml": shared_strings or f'<sst xmlns="{MAIN}"/>'.encode(),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
        for n in range(1, len(sheets) + 1):
            archive.writestr(f"xl/worksheets/sheet{n}.xml", sheet)
    return path


def sheet(rows: str) -> bytes:
    return f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'.encode()


def _relations(relations: Iterable[tuple[str, str, str]]) -> bytes:
    listed = "".join(
        f'<Relationship Id="{i}" Type="{OFFICE}/{kind}" Target="{target}"/>'
        for i, kind, target in relations
    )
    return f'<Relationships xmlns="{RELATIONSHIPS}">{listed}</Relationships>'.encode()
