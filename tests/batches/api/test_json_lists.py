import json
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Workspace
from batches.models import Batch
from batches.services.imports import import_batch
from tests import make

LISTS = Path(__file__).parents[2] / "fixtures" / "lists"
EXPECTED: dict[str, dict[str, Any]] = json.loads((LISTS / "expected.json").read_text())


@pytest.mark.parametrize("name", EXPECTED)
def test_every_sample_list_is_stored_or_refused_as_expected(
    ours: Workspace, settings: Any, tmp_path: Path, name: str
) -> None:
    settings.DATA_DIR = tmp_path
    expected, client = EXPECTED[name], make.client(ours)
    fields = {
        "name": name,
        "agent_id": str(make.agent(ours).pk),
        "phone_number_id": str(make.phone_number(ours).pk),
    }
    if country := expected.get("default_country"):
        fields["default_country"] = country

    with (LISTS / name).open("rb") as file:
        preview = client.post("/batches/preview", {**fields, "file": file}, format="multipart")
    with (LISTS / name).open("rb") as file:
        created = client.post("/batches", {**fields, "file": file}, format="multipart")

    if reason := expected.get("error"):
        assert [answer.status_code for answer in (preview, created)] == [400, 400]
        assert reason in created.json()["detail"]
        assert not Batch.unscoped.exists()
        return
    import_batch(created.json()["id"])
    batch = client.get(f"/batches/{created.json()['id']}").json()
    counts = {
        "rows": batch["counts"]["total"] + batch["counts"]["rejected"],
        "valid": batch["counts"]["pending"],
    }
    counts |= {"duplicate": batch["counts"]["skipped"], "rejected": batch["counts"]["rejected"]}
    assert batch["status"] == "ready"
    assert counts == {figure: expected[figure] for figure in counts}
    assert {figure: preview.json()["counts"][figure] for figure in counts} == counts
    response: Any = client.get(f"/batches/{batch['id']}/results.csv")
    results = b"".join(response.streaming_content)
    assert results.startswith(",".join(preview.json()["columns"]).encode())
