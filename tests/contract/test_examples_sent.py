"""The requests that the document shows are accepted as they stand there, and fit together.

They are sent in a workspace whose rows have the ids that the examples name. The agent is the one of
the example of `POST /agents`, so that another example's variables, tools and dispositions are its.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

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


class Example(NamedTuple):
    """A request of the document."""

    path: str
    method: str
    operation: dict[str, Any]
    body: Any

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
        "sip-trunks": make.sip_trunk(workspace, numbers=["+12025550109"]).pk,
        "webhooks": make.webhook(workspace).pk,
        "workspaces": workspace.pk,
    }


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
        if isinstance(answer, dict) and (hidden := answer.keys() - shown["value"].keys()):
            wrong.append(f"the answer's example does not show {sorted(hidden)}")
    return wrong


@pytest.mark.usefixtures("box")
def test_every_request_that_is_shown_is_accepted_as_it_stands_there(ours: Workspace) -> None:
    ids = prepare(ours)
    found: dict[str, list[str]] = {}
    sent = 0

    # A batch that was stopped accepts nothing any more.
    for example in sorted(examples(), key=lambda each: each.name == "batches_stop"):
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
        body = json.dumps(example.body)
        response = client.generic(
            example.method.upper(), url, body, content_type="application/json"
        )
        sent += 1
        if wrong := mistakes(example, response):
            found[example.name] = wrong

    assert found == {}
    assert sent > 35
