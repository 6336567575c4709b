"""The requests that the document shows are accepted as they stand there, and fit together; and no
answer has fields that its example hides.

They are sent in a workspace whose rows have the ids that the examples name. The agent is the one of
the example of `POST /agents`, so that another example's variables, tools and dispositions are its.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]

from accounts.models import Workspace
from accounts.roles import Role
from tests import make
from tests.contract.test_description import described, strict
from voiceops.api.example_ids import (
    AGENT_ID,
    EXAMPLE_BATCH_ID,
    EXAMPLE_RECIPIENT_ID,
    NUMBER_ID,
    OTHER_ID,
)

NOT_SENT = {
    "auth_invitations_accept": "needs the token of an e-mail",
    "auth_login": "needs a password",
    "auth_password_change": "needs a password",
    "auth_password_reset_confirm": "needs the token of an e-mail",
    "auth_refresh": "needs a refresh token",
    "calls_dtmf": "needs a phone that is up",
    "calls_report": "needs the call's own token",
    "calls_transfer": "needs a phone that is up",
    "calls_web": "sends an agent, which would report to a server that does not run",
    "voice_workers_report": "is signed by the worker",
}
# Each is decided once.
IN_REVIEW = {
    "batches_recipients_close": EXAMPLE_RECIPIENT_ID,
    "batches_recipients_release": OTHER_ID,
}


QUERIES = {"country": "US", "phone_number": "+12025550123"}
# Whose keys are the customer's, or one of many.
FREE = {"changes", "column_mapping", "data", "metadata", "outcomes", "values", "variables"}


class Example(NamedTuple):
    """A request of the document; without a body it reads."""

    path: str
    method: str
    operation: dict[str, Any]
    body: Any = None

    @property
    def name(self) -> str:
        return str(self.operation["operationId"])


def examples() -> Iterator[Example]:
    """Yield the requests in JSON."""
    for path, methods in described()["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            for example in content.get("application/json", {}).get("examples", {}).values():
                yield Example(path, method, operation, example["value"])


def lists() -> Iterator[Example]:
    """Yield what can be read without naming an object, without the probes of machines."""
    for path, methods in described()["paths"].items():
        if "get" in methods and "{" not in path:
            content = methods["get"]["responses"]["200"].get("content", {})
            if "examples" in content.get("application/json", {}):
                yield Example(path, "get", methods["get"])


def prepare(workspace: Workspace) -> dict[str, object]:
    """Make what the examples name. Returns the id in the path, by the path's first part."""
    body = next(each.body for each in examples() if each.name == "agents_create")
    agent = make.agent(workspace, pk=AGENT_ID, **body)
    agent.version = 2  # to be rolled back to
    make.publish_draft(agent)
    make.scripts(agent)
    number = make.phone_number(workspace, pk=NUMBER_ID)
    batch = make.batch(workspace, pk=EXAMPLE_BATCH_ID, agent=agent, phone_number=number)
    make.recipient(batch, pk=EXAMPLE_RECIPIENT_ID, status="review")
    make.recipient(batch, pk=OTHER_ID, status="review")
    make.recipient(batch, status="failed", outcome="busy")
    return {
        "agents": agent.pk,
        "batches": batch.pk,
        "callbacks": make.callback(workspace).pk,
        "calls": make.call(workspace, agent=agent, stage="ended", outcome="answered").pk,
        "column-mappings": make.saved_mapping(workspace).pk,
        "phone-numbers": number.pk,
        "saved-reports": make.saved_report(workspace).pk,
        "sip-trunks": make.sip_trunk(workspace, numbers=["+12025550109"]).pk,
        "webhooks": make.webhook(workspace).pk,
        "workspaces": workspace.pk,
    }


def required_query(operation: dict[str, Any]) -> dict[str, str]:
    """The query parameters without which an operation is refused, with a value each."""
    parameters = operation.get("parameters", [])
    names = [each["name"] for each in parameters if each["in"] == "query" and each.get("required")]
    return {name: QUERIES[name] for name in names}


def mistakes(example: Example, response: Any) -> list[str]:
    """What is wrong with an answer: refused, or other than the document says."""
    status = str(response.status_code)
    if not status.startswith("2") or status not in example.operation["responses"]:
        return [f"{status} {response.content.decode()[:300]}"]
    content = example.operation["responses"][status].get("content")
    if not content:
        return []
    described_answer = content["application/json"]
    schema = {
        **strict(described_answer["schema"]),
        "components": strict(described()["components"]),
    }
    answer = response.json()
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    wrong = [f"{[*error.absolute_path]} {error.message}" for error in validator.iter_errors(answer)]
    for shown in described_answer["examples"].values():
        wrong += [f"the example does not show {name}" for name in hidden(answer, shown["value"])]
    return wrong


def hidden(answer: Any, shown: Any) -> Iterator[str]:
    """Yield the fields of an answer that its example does not show."""
    if isinstance(answer, list) and isinstance(shown, list) and answer and shown:
        yield from hidden(answer[0], shown[0])
    if isinstance(answer, dict) and isinstance(shown, dict):
        yield from answer.keys() - shown.keys()
        for name in (answer.keys() & shown.keys()) - FREE:
            yield from (f"{name}.{inner}" for inner in hidden(answer[name], shown[name]))


@pytest.mark.usefixtures("box")
def test_every_example_request_is_accepted_and_no_example_answer_lacks_a_field(
    ours: Workspace,
) -> None:
    ids = prepare(ours)
    found: dict[str, list[str]] = {}
    sent = 0

    # A batch that was stopped accepts nothing any more.
    requests = sorted(examples(), key=lambda each: each.name == "batches_stop")
    for example in [*requests, *lists()]:
        if example.name in NOT_SENT:
            continue
        client = make.bearer(make.member(ours, Role.ADMIN))
        client.raise_request_exception = False
        url = example.path.format(
            id=ids.get(example.path.split("/")[1]),
            workspace_id=ours.pk,
            user_id=make.member(ours).pk,
            recipient_id=IN_REVIEW.get(example.name),
        )
        body = json.dumps(example.body) if example.body is not None else ""
        response = client.generic(
            example.method.upper(),
            url,
            body,
            content_type="application/json",
            QUERY_STRING=urlencode(required_query(example.operation)),
        )
        sent += 1
        if wrong := mistakes(example, response):
            found[example.name] = wrong

    assert found == {}
    assert sent > 50
