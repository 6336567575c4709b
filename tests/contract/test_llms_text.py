"""`/llms.txt`: the API in short, for language models."""

from django.test import Client

from tests.contract.test_description import described


def test_every_operation_and_event_has_its_line() -> None:
    response = Client().get("/llms.txt")

    text = response.content.decode()
    requests = [
        f"- `{method.upper()} {path}`: {operation['summary']}"
        for path, methods in described()["paths"].items()
        for method, operation in methods.items()
    ]
    events = [f"- `{event}`: " for event in described()["webhooks"]]
    assert (response.status_code, response["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert text.startswith("# VoiceOps\n\n> Lets AI voice agents call")
    assert [line for line in (*requests, *events) if text.count(f"\n{line}") != 1] == []
    assert described()["info"]["description"] in text
    assert len(text) < 40_000  # short enough to be read at once


def test_a_client_that_has_the_text_gets_304() -> None:
    first = Client().get("/llms.txt")

    again = Client(headers={"If-None-Match": first["ETag"]}).get("/llms.txt")

    assert (again.status_code, again.content) == (304, b"")
    assert Client().post("/llms.txt").status_code == 405
