"""Scripts of agents: kept as they were written, and refused with the place of a mistake."""

from typing import Any

import pytest
import yaml

from accounts.models import AuditEntry, Workspace
from accounts.roles import Role
from agents.models import Agent
from tests import make
from tests.agents.scripts import CONTENT, SCRIPT

YAML = """# by the clinic
agent: demo
scripts:
  - label: greets
    tags: [smoke]
    variables: {day: 2026-03-01}
    caller: [{says: 'Yes', expect: {agent_says: see you}}]
"""


def put_yaml(of: Workspace, agent: Agent, text: str, media_type: str = "application/yaml") -> Any:
    return make.client(of, Role.MANAGER).generic(
        "PUT", f"/agents/{agent.pk}/scripts", text, content_type=media_type
    )


def test_scripts_are_kept_as_they_were_written(ours: Workspace, agent: Agent) -> None:
    client = make.client(ours, Role.MANAGER)
    page = f"/agents/{agent.pk}/scripts"

    before = client.get(page)
    put = client.put(page, CONTENT)

    assert (before.status_code, before.json()) == (200, {"scripts": []})
    assert (put.status_code, put.json()) == (200, CONTENT)
    assert client.get(page).json() == CONTENT
    assert AuditEntry.unscoped.filter(action="agent.scripts_changed").count() == 1


@pytest.mark.parametrize("media_type", ["application/yaml", "application/x-yaml", "text/yaml"])
def test_yaml_is_answered_in_yaml_and_in_json(
    ours: Workspace, agent: Agent, media_type: str
) -> None:
    put = put_yaml(ours, agent, YAML, media_type)
    client = make.client(ours, Role.MEMBER)
    page = f"/agents/{agent.pk}/scripts"

    content = {
        "scripts": [
            {
                "label": "greets",
                "tags": ["smoke"],
                "variables": {"day": "2026-03-01"},
                "caller": [{"says": "Yes", "expect": {"agent_says": "see you"}}],
            }
        ]
    }
    assert (put.status_code, put.json()) == (200, content)
    assert client.get(page).json() == content
    written = client.get(page, headers={"Accept": "application/yaml"})
    assert (written["Content-Type"], written.content.decode()) == (
        "application/yaml; charset=utf-8",
        YAML,
    )


def test_scripts_in_json_can_be_read_as_yaml(ours: Workspace, agent: Agent) -> None:
    make.scripts(agent)

    answer = make.client(ours).get(f"/agents/{agent.pk}/scripts", headers={"Accept": "text/yaml"})

    # PostgreSQL keeps the names of an object in an order of its own.
    assert yaml.safe_load(answer.content) == {
        "scripts": [{"label": "greets", "tags": ["smoke"], "caller": ["Hello"]}]
    }


@pytest.mark.parametrize(
    ("change", "loc", "msg"),
    [
        ({"label": None}, ["label"], "none is not an allowed value"),
        ({"answers": "dog"}, ["answers"], None),
        ({"caller": [{"shouts": "Hi"}]}, ["caller", 0, "shouts"], "extra fields not permitted"),
        (
            {"caller": ["Hi", {"expect": {}}]},
            ["caller", 1],
            "expected one of says, digits, silence, hangs_up",
        ),
        (
            {"caller": [{"says": "Hi", "silence": 3}]},
            ["caller", 0],
            "expected one of says, digits, silence, hangs_up",
        ),
        ({"never": ["/(/"]}, ["never", 0], None),
        ({"expect": {"tool": 5}}, ["expect", "tool"], "value is not a valid list"),
        ({"end": "agent"}, ["end"], "value is not a valid dict"),
    ],
)
def test_a_mistake_in_a_script_is_answered_with_its_place(
    ours: Workspace, agent: Agent, change: dict[str, Any], loc: list[Any], msg: str | None
) -> None:
    body = {"scripts": [SCRIPT, {**SCRIPT, "label": "other", **change}]}

    answer = make.client(ours, Role.MANAGER).put(f"/agents/{agent.pk}/scripts", body)

    assert answer.status_code == 422
    [error] = answer.json()["detail"]
    assert error["loc"] == ["body", "scripts", 1, *loc]
    assert msg in (None, error["msg"])


def test_a_label_is_given_once(ours: Workspace, agent: Agent) -> None:
    body = {"scripts": [SCRIPT, SCRIPT]}

    answer = make.client(ours, Role.MANAGER).put(f"/agents/{agent.pk}/scripts", body)

    assert (answer.status_code, answer.json()) == (
        422,
        {
            "detail": [
                {
                    "loc": ["body", "scripts", 1, "label"],
                    "msg": "this label is given twice",
                    "type": "value_error",
                }
            ]
        },
    )


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (
            "scripts:\n  - label: a\n - b",
            "The YAML cannot be read in line 3, column 2: did not find expected key",
        ),
        (
            "scripts: &a [1]\nothers: *a",
            "The YAML cannot be read in line 2, column 9: aliases are not accepted",
        ),
        (
            "a: !!python/object:os.system x",
            "The YAML cannot be read in line 1, column 4: tags are not accepted",
        ),
        (
            "[" * 40 + "]" * 40,
            "The YAML cannot be read in line 1, column 33: it is nested too deeply",
        ),
        ("yes: 1", "The YAML cannot be read: put the name true in quotes"),
    ],
)
def test_unreadable_yaml_is_answered_with_its_place(
    ours: Workspace, agent: Agent, text: str, detail: str
) -> None:
    answer = put_yaml(ours, agent, text)

    assert (answer.status_code, answer.json()) == (400, {"detail": detail})
