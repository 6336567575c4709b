"""Every error has a code, in a header beside its body."""

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.api.lookup import label_of
from accounts.api.viewsets import WorkspaceViewSet
from accounts.models import Membership, Workspace
from accounts.roles import Role
from batches.models import Recipient
from ops.management.commands.document_errors import ERRORS_PAGE, written_page
from tests import make
from tests.architecture.source import APPS, ROOT, sources, tree_of
from voiceops.api.error_codes import code_of, documented_errors, find_error
from voiceops.core.public_addresses import find_url_fault

# What is raised is named by a sentence of ours, except where a class names its code.
RAISED = {
    *("AuthenticationFailed", "Busy", "Conflict", "Forbidden", "Invalid", "NoSpace", "NotFound"),
    *("InvalidCredentialsError", "ProviderError", "StateForbids"),
}
# Commands and staff's pages print the sentence; no client is sent it.
NOT_OF_THE_API = ("management", "admin", "staff", "sandbox", "benchmarks", "ops")


def sentences_of(expression: ast.expr, constants: dict[str, ast.expr]) -> Iterator[str]:
    """The sentences that an expression may be, with `…` for what varies."""
    if isinstance(expression, ast.Constant):
        yield str(expression.value)
    elif isinstance(expression, ast.JoinedStr):
        yield "".join(known_part(part, constants) for part in expression.values)
    elif isinstance(expression, ast.Name) and expression.id in constants:
        yield from sentences_of(constants[expression.id], constants)
    elif isinstance(expression, ast.Attribute) and expression.attr in constants:
        yield from sentences_of(constants[expression.attr], constants)


def known_part(part: ast.expr, constants: dict[str, ast.expr]) -> str:
    """The text of a part of an f-string, `…` where it varies."""
    if isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Name):
        part = constants.get(part.value.id, part)
    return str(part.value) if isinstance(part, ast.Constant) else "…"


def raised_sentences() -> set[str]:
    trees = [tree_of(path) for path in sources(*APPS) if not {*NOT_OF_THE_API} & {*path.parts}]
    constants = {
        target.id: node.value
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        sentence
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in RAISED and call.args
        for sentence in sentences_of(call.args[0], constants)
    }


def test_every_sentence_that_is_raised_is_documented() -> None:
    raised = raised_sentences()

    assert len(raised) > 80
    # `… not found` stands for the label of a model, and `Webhook URL …` for what is wrong with one;
    # the next tests have them all.
    unknown = [sentence for sentence in raised if find_error(sentence) is None]
    assert sorted(unknown) == ["Webhook URL …", "… not found", "…: …"]


def test_every_fault_of_a_url_has_a_documented_sentence() -> None:
    urls = (
        "https://[",
        "https://me:secret@example.com",
        "http://example.com",
        "https://example.com:22",
        "https://127.0.0.1",
    )

    errors = [find_error(f"Webhook URL {find_url_fault(url)}") for url in urls]

    assert [error and error.code for error in errors] == [
        "webhook_url_invalid",
        "webhook_url_has_credentials",
        "webhook_url_not_https",
        "webhook_url_port",
        "webhook_url_not_public",
    ]


# Actions that name no row.
OF_LISTS = {"list", "create", "export_csv", "export_xlsx"}


def test_every_row_that_may_be_missing_has_a_documented_sentence() -> None:
    models = {
        view.model
        for view in every_subclass_of(WorkspaceViewSet)
        if hasattr(view, "model") and {*view.required_roles} - OF_LISTS
    }
    labels = [label_of(model) for model in (*models, Workspace, Membership, Recipient)]

    assert "Phone number" in labels
    assert [label for label in labels if find_error(f"{label} not found") is None] == []


def every_subclass_of(kind: Any) -> Iterator[Any]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from every_subclass_of(subclass)


def test_every_sentence_of_the_contract_has_a_code() -> None:
    page = (ROOT / "docs/reference/api-contract.md").read_text()
    table = page.partition("Documented messages, to the letter:")[2].partition("## 2.")[0]
    sentences = re.findall(r"`([A-Z][^`]+)`", table)

    assert len(sentences) > 30
    assert [text for text in sentences if find_error(text) is None] == ["Retry-After"]


def test_a_code_is_one_status() -> None:
    statuses: dict[str, set[int]] = {}
    for error in documented_errors():
        statuses.setdefault(error.code, set()).add(error.status)

    assert [code for code, found in statuses.items() if len(found) > 1] == []
    assert [code for code in statuses if not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", code)] == []


def test_causes_and_ways_out_are_sentences() -> None:
    texts = [text for error in documented_errors() for text in (error.cause, error.fix)]

    assert [text for text in texts if not text.endswith(".")] == []


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (400, "Batch is already running", "batch_already_running"),
        (400, "+12025550123 is a premium rate number", "number_not_dialable"),
        (400, "A sentence that nobody has documented", "malformed_request_body"),
        (404, "Phone number not found", "phone_number_not_found"),
        (422, [{"loc": ["body"], "msg": "field required"}], "validation_failed"),
        (500, "Twilio error: no answer in time", "twilio_error"),
        (502, "A sentence that nobody has documented", "internal_error"),
    ],
)
def test_a_sentence_has_a_code(status: int, message: object, code: str) -> None:
    assert code_of(status, message) == code


def test_errors_carry_their_code_beside_the_documented_body(ours: Workspace) -> None:
    client = make.bearer(make.member(ours, Role.MANAGER))
    answers: dict[str, Any] = {
        "not_found": client.get("/nowhere"),
        "method_not_allowed": client.delete("/agents"),
        "batch_not_found": client.get("/batches/1"),
        "admin_required": client.post("/api-keys", {}),
        "validation_failed": client.post("/agents", {}),
        "invalid_token": Client().get("/agents"),
    }

    assert {code: answer.headers["Error-Code"] for code, answer in answers.items()} == {
        code: code for code in answers
    }
    assert answers["batch_not_found"].json() == {"detail": "Batch not found"}


def test_answers_that_are_no_errors_have_no_code(ours: Workspace) -> None:
    answer = make.bearer(make.member(ours)).get("/agents")

    assert (answer.status_code, answer.headers.get("Error-Code")) == (200, None)


def test_an_unreadable_list_has_one_code_whatever_is_wrong_with_it(ours: Workspace) -> None:
    agent, number = make.agent(ours), make.phone_number(ours)
    client = make.bearer(make.member(ours, Role.MANAGER))
    fields = {"name": "Empty", "agent_id": str(agent.pk), "phone_number_id": str(number.pk)}

    body = {**fields, "file": SimpleUploadedFile("list.csv", b"")}
    answer = client.post("/batches", body, format="multipart")

    assert (answer.status_code, answer.headers["Error-Code"]) == (400, "list_unreadable")


def test_the_page_of_errors_has_all_of_them() -> None:
    assert ERRORS_PAGE.read_text() == written_page(), "run `make docs`"
