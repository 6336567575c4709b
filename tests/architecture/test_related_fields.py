"""A reference in a body resolves inside its workspace, or is `… not found` after the schema."""

from typing import Any

import pytest
from rest_framework.exceptions import ValidationError

from accounts.api.related_fields import WorkspaceRelatedField
from accounts.models import Workspace
from agents.models import Agent
from tests import make
from voiceops.api.serializers import StrictSerializer, Text
from voiceops.core.errors import NotFound
from voiceops.core.ids import uuid7


class ReferenceSerializer(StrictSerializer):
    agent_id = WorkspaceRelatedField(source="agent", queryset=Agent.unscoped.all())
    name = Text()


def validated(workspace: Workspace, **data: Any) -> dict[str, Any]:
    serializer = ReferenceSerializer(data={"name": "x", **data}, context={"workspace": workspace})
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def test_a_row_of_the_own_workspace_is_found(ours: Workspace) -> None:
    agent = make.agent(ours)

    assert validated(ours, agent_id=str(agent.pk)) == {"agent": agent, "name": "x"}


def test_each_workspace_finds_its_own_by_one_statement(ours: Workspace, theirs: Workspace) -> None:
    for workspace in (ours, theirs, ours):
        agent = make.agent(workspace)

        assert validated(workspace, agent_id=str(agent.pk))["agent"] == agent


def test_foreign_and_unknown_rows_are_both_not_found(ours: Workspace, theirs: Workspace) -> None:
    for foreign in (make.agent(theirs).pk, uuid7()):
        with pytest.raises(NotFound, match=r"^Agent not found$"):
            validated(ours, agent_id=str(foreign))


@pytest.mark.parametrize("value", ["1", 1, True, {"id": 1}])
def test_an_invalid_id_fails_the_schema(ours: Workspace, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        validated(ours, agent_id=value)

    assert caught.value.get_codes() == {"agent_id": ["type_error.uuid"]}


def test_the_schema_is_checked_first(ours: Workspace, theirs: Workspace) -> None:
    with pytest.raises(ValidationError) as caught:
        validated(ours, agent_id=str(make.agent(theirs).pk), name=5)

    assert caught.value.get_codes() == {"name": ["type_error.str"]}
