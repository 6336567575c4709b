"""How long lists are walked."""

import json
from collections.abc import Mapping, Sequence

from tests.examples_of_answers import example_of
from tests.scripted_server import Answer, scripted_server
from voiceops import VoiceOps

REASON = example_of("/batches/{id}/reasons")["items"][0]
RECIPIENT = example_of("/batches/{id}/recipients")["items"][0]


def page(items: Sequence[Mapping[str, object]], **totals: int | None) -> Answer:
    body = {"items": items, "total": 3, "page": 1, "page_size": 2, "total_pages": 2, **totals}
    return Answer(body=json.dumps(body).encode())


def test_a_list_with_pages_is_read_page_by_page() -> None:
    pages = page([REASON, REASON]), page([REASON], page=2)
    with scripted_server(*pages) as server, VoiceOps(server.url) as voiceops:
        codes = [reason.code for reason in voiceops.batches.reasons("b1")]

        assert codes == [REASON["code"]] * 3
        assert [each.path for each in server.asked] == [
            "/batches/b1/reasons?page_size=200",
            "/batches/b1/reasons?page_size=200&page=2",
        ]


def test_a_list_that_can_be_walked_by_id_is_walked_so() -> None:
    first = [{**RECIPIENT, "id": "a"}, {**RECIPIENT, "id": "b"}]
    pages = page(first, page=None), page([], page=None)
    with scripted_server(*pages) as server, VoiceOps(server.url) as voiceops:
        rows = list(voiceops.batches.recipients("b1", status="skipped"))

        assert [row.id for row in rows] == ["a", "b"]
        nil = "00000000-0000-0000-0000-000000000000"
        assert [each.path for each in server.asked] == [
            f"/batches/b1/recipients?after_id={nil}&page_size=200&status=skipped",
            "/batches/b1/recipients?page_size=200&status=skipped&after_id=b",
        ]
