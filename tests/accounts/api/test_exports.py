"""The do-not-call list and the audit log as files."""

import csv
import io
from typing import Any

import pytest

from accounts.models import AuditEntry, Workspace
from accounts.roles import Role
from accounts.services import list_export
from tests import make
from tests.console.browsers import reader, text_of
from voiceops.core.csv_encoding import BYTE_ORDER_MARK


def rows_of(response: Any) -> list[dict[str, str]]:
    """The rows of a file for spreadsheets."""
    content = b"".join(response.streaming_content)
    assert content.startswith(BYTE_ORDER_MARK)
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def test_suppressions_are_exported_with_the_filters_of_the_list(
    ours: Workspace, theirs: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_export, "CHUNK_ROWS", 2)
    numbers = [f"+1202555010{digit}" for digit in range(5)]
    for number in numbers:
        make.suppression(ours, phone_number=number, reason="=1+1")
    make.suppression(ours, phone_number="+12025550199", source="import")
    make.suppression(theirs, phone_number=numbers[0])

    response = make.client(ours, Role.MEMBER).get("/suppressions/export.csv?source=manual")
    rows = rows_of(response)

    assert response["Content-Disposition"] == 'attachment; filename="suppressions.csv"'
    assert [row["phone_number"] for row in rows] == numbers[::-1]
    assert list(rows[0]) == [
        *("id", "phone_number", "reason", "source", "proof", "expires_at", "created_at")
    ]
    assert (rows[0]["reason"], rows[0]["expires_at"]) == ("'=1+1", "")
    entry = AuditEntry.unscoped.get(action="suppressions.exported")
    assert (entry.workspace, entry.changes) == (ours, {"filters": ["source"]})


def test_the_audit_log_is_exported_for_admins(ours: Workspace, theirs: Workspace) -> None:
    make.audit_entry(ours, action="batch.started", changes={"pace": 2}, actor_name="Ada")
    make.audit_entry(ours)
    make.audit_entry(theirs, action="batch.started")
    path = "/audit-log/export.csv?action=batch.started"

    refused = make.client(ours, Role.MANAGER).get(path)
    response = make.client(ours, Role.ADMIN).get(path)
    (row,) = rows_of(response)

    assert refused.status_code == 403
    assert response["Content-Disposition"] == 'attachment; filename="audit-log.csv"'
    assert {**row, "id": "", "at": ""} == {
        "id": "",
        "at": "",
        "actor_type": "system",
        "actor_id": "",
        "actor_name": "Ada",
        "action": "batch.started",
        "object_type": "",
        "object_id": "",
        "ip": "",
        "changes": '{"pace":2}',
    }
    assert AuditEntry.unscoped.get(action="audit_log.exported").changes == {"filters": ["action"]}


def test_pages_offer_the_files_to_those_who_may_have_them(ours: Workspace) -> None:
    number = make.suppression(ours).phone_number
    admin = reader(make.member(ours, Role.ADMIN))
    member = reader(make.member(ours, Role.MEMBER))
    link = 'href="/console/do-not-call/file?source=manual&amp;"'

    listed = admin.get("/console/do-not-call?source=manual").content.decode()
    masked = member.get("/console/do-not-call?source=manual").content.decode()
    file: Any = admin.get("/console/do-not-call/file?source=manual")
    log: Any = admin.get("/console/settings/audit/file")

    assert (link in listed, link in masked) == (True, False)
    page = admin.get("/console/settings/audit")
    assert 'href="/console/settings/audit/file?"' in page.content.decode()
    assert [row["phone_number"] for row in rows_of(file)] == [number]
    actions = [row["action"] for row in rows_of(log)]
    assert actions[:2] == ["audit_log.exported", "suppressions.exported"]
    assert "Do-not-call list downloaded" in text_of(page)
