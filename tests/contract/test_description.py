"""Responses match the OpenAPI description: fields, types, parameters and statuses."""

from functools import cache
from typing import Any

import pytest
from django.test import Client
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]

from accounts.models import Workspace
from accounts.roles import Role
from tests import make


@cache
def described() -> dict[str, Any]:
    page: dict[str, Any] = Client().get("/openapi.json").json()
    return page


def strict(schema: Any) -> Any:
    """As JSON Schema, and without fields that are not named."""
    if isinstance(schema, list):
        return [strict(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    inner_schema = {name: strict(inner) for name, inner in schema.items()}
    if "properties" in inner_schema:
        inner_schema.setdefault("additionalProperties", False)
    return inner_schema


def differences(path: str, method: str, response: Any) -> list[str]:
    answer = described()["paths"][path][method]["responses"][str(response.status_code)]
    schema = {
        **answer["content"]["application/json"]["schema"],
        "components": described()["components"],
    }
    checked = Draft202012Validator(strict(schema), format_checker=FormatChecker())
    return [
        f"{[*error.absolute_path]} {error.message}"
        for error in checked.iter_errors(response.json())
    ]


def test_responses_have_the_described_fields(ours: Workspace) -> None:
    webhook, call = (
        make.webhook(ours),
        make.call(ours, stage="ended", outcome="busy", sip_status_code=486),
    )
    for status in ("pending", "delivered"):  # a delivered one has no next attempt
        make.delivery(webhook, status=status)
    make.sip_trunk(ours)
    make.suppression(ours)
    urls = {
        "/agents/{id}": f"/agents/{make.agent(ours).pk}",
        "/analytics/summary": "/analytics/summary?group_by=sip_status",
        "/api-keys": "/api-keys",
        "/audit-log": "/audit-log",
        "/auth/me": "/auth/me",
        "/batches/{id}": f"/batches/{make.batch(ours).pk}",
        "/calls/{id}": f"/calls/{call.pk}",
        "/phone-numbers": "/phone-numbers",
        "/sip-trunks": "/sip-trunks",
        "/suppressions": "/suppressions",
        "/webhooks/{id}": f"/webhooks/{webhook.pk}",
        "/webhooks/{id}/deliveries": f"/webhooks/{webhook.pk}/deliveries",
        "/workspaces": "/workspaces",
        "/workspaces/{workspace_id}/members": f"/workspaces/{ours.pk}/members",
    }
    client = make.bearer(make.member(ours, Role.ADMIN))

    found = {path: differences(path, "get", client.get(url)) for path, url in urls.items()}

    assert found == {path: [] for path in urls}


@pytest.mark.parametrize(
    ("path", "method", "names"),
    [
        ("/agents", "get", ["page", "page_size", "search", "sort"]),
        ("/agents", "post", []),
        ("/agents/{id}/versions", "get", ["id", "page", "page_size"]),
        ("/batches/{id}", "patch", ["id"]),
        ("/batches/{id}/progress", "get", ["id"]),
        ("/batches/{id}/results.csv", "get", ["id"]),
        ("/webhooks/{id}/deliveries", "get", ["event", "id", "page", "page_size", "status"]),
    ],
)
def test_described_parameters_are_those_that_are_read(
    path: str, method: str, names: list[str]
) -> None:
    parameters = described()["paths"][path][method]["parameters"]

    assert [parameter["name"] for parameter in parameters if parameter["in"] != "header"] == names


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/auth/invitations/accept", "post"),
        ("/auth/me", "patch"),
        ("/auth/password/reset/confirm", "post"),
        ("/batches", "post"),
        ("/calls", "post"),
    ],
)
def test_a_body_that_refers_to_rows_may_get_a_404(path: str, method: str) -> None:
    assert "404" in described()["paths"][path][method]["responses"]


@pytest.mark.parametrize(
    "path",
    ["/callbacks", "/batches/{id}/clone", "/calls/{id}/disposition", "/webhooks/{id}/redeliver"],
)
def test_requests_that_are_hard_to_guess_have_an_example_that_fits(path: str) -> None:
    body = described()["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    schema = {**body["schema"], "components": described()["components"]}

    [example] = body["examples"].values()

    errors = Draft202012Validator(strict(schema)).iter_errors(example["value"])
    assert [error.message for error in errors] == []
