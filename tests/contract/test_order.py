"""The order of refusals: URL, credentials, method, workspace, role, object, body, schema."""

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Workspace
from accounts.roles import Role
from tests import make
from voiceops.core.ids import uuid7

MALFORMED = (400, {"detail": "Malformed request body"})


def test_the_order_of_checks(ours: Workspace, theirs: Workspace) -> None:
    member, admin = make.client(ours, Role.MEMBER), make.client(ours, Role.ADMIN)
    foreign = {"X-Workspace-ID": str(theirs.pk)}
    absent = f"/api-keys/{theirs.pk}"

    def answer(client: APIClient, method: str, url: str, **kwargs: Any) -> tuple[int, str]:
        response = client.generic(
            method, url, **{"data": "{", "content_type": "application/json", **kwargs}
        )
        return response.status_code, response.json()["detail"]

    assert answer(APIClient(), "PUT", "/nowhere") == (404, "Not found")
    assert answer(APIClient(), "PUT", "/api-keys") == (401, "Invalid or missing token")
    assert answer(member, "PUT", "/api-keys", headers=foreign) == (405, "Method not allowed")
    assert answer(member, "OPTIONS", "/api-keys") == (405, "Method not allowed")
    assert answer(member, "POST", "/api-keys", headers=foreign) == (
        403,
        "Not a member of this workspace",
    )
    assert answer(member, "DELETE", absent) == (403, "Admin access required")
    assert answer(admin, "DELETE", absent) == (404, "API key not found")
    assert answer(admin, "DELETE", "/api-keys/not-a-uuid") == (404, "API key not found")
    assert answer(admin, "POST", "/api-keys", content_type="text/plain") == (
        415,
        "Unsupported media type",
    )
    assert answer(admin, "POST", "/api-keys") == (400, "Malformed request body")


@pytest.mark.parametrize("path", ["/workspaces", "/auth/password/change"])
@pytest.mark.parametrize(("body", "content_type"), [("{", "application/json"), ("x", "text/plain")])
def test_an_api_key_is_refused_before_the_body_is_read(
    ours: Workspace, path: str, body: str, content_type: str
) -> None:
    response = make.client(ours).generic("POST", path, body, content_type=content_type)

    assert (response.status_code, response.json()) == (403, {"detail": "Insufficient permissions"})


@pytest.mark.parametrize(
    ("body", "content_type"),
    [("{", "application/json"), ("x", "text/plain"), ("[1]", "application/json")],
)
@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "one"}])
def test_the_second_row_of_a_path_is_found_before_the_body(
    ours: Workspace, body: str, content_type: str, key: dict[str, str]
) -> None:
    webhook, batch, nothing = make.webhook(ours), make.batch(ours), uuid7()
    paths = [f"/webhooks/{webhook.pk}/deliveries/{nothing}/redeliver"]
    paths += [f"/batches/{batch.pk}/recipients/{nothing}/{verb}" for verb in ("release", "close")]

    answers = [
        make.client(ours).generic("POST", p, body, content_type=content_type, headers=key)
        for p in paths
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert [answer.json()["detail"] for answer in answers] == [
        "Webhook delivery not found",
        *["Recipient not found"] * 2,
    ]


def test_a_form_is_refused_by_json_routes_also_under_an_idempotency_key(
    ours: Workspace,
) -> None:
    client = APIClient(headers={"X-API-Key": make.api_key(ours)[1], "Idempotency-Key": "one"})
    form = "multipart/form-data; boundary=x"

    absent = client.generic("POST", f"/agents/{uuid7()}/publish", "x", content_type=form)
    there = client.generic("POST", f"/agents/{make.agent(ours).pk}/publish", "x", content_type=form)

    assert (absent.status_code, absent.json()) == (404, {"detail": "Agent not found"})
    assert (there.status_code, there.json()) == (415, {"detail": "Unsupported media type"})


@pytest.mark.parametrize("path", ["/calls", "/calls/web"])
def test_a_blank_id_is_not_a_uuid(ours: Workspace, path: str) -> None:
    body = {
        "agent_id": "",
        **({"to": "+12025550186", "from_number_id": ""} if path == "/calls" else {}),
    }

    response = make.client(ours).post(path, body)

    blank = [name for name in ("agent_id", "from_number_id") if name in body]
    invalid_uuid = {"msg": "value is not a valid uuid", "type": "type_error.uuid"}
    assert (response.status_code, response.json()) == (
        422,
        {"detail": [{"loc": ["body", name], **invalid_uuid} for name in blank]},
    )


def test_a_blank_required_id_in_a_form_is_not_a_uuid(ours: Workspace) -> None:
    body = {"name": "List", "agent_id": "", "phone_number_id": ""}

    response = make.client(ours).post("/batches", body, format="multipart")

    invalid_uuid = {"msg": "value is not a valid uuid", "type": "type_error.uuid"}
    file = {"loc": ["body", "file"], "msg": "field required", "type": "value_error.missing"}
    blank = [{"loc": ["body", name], **invalid_uuid} for name in ("agent_id", "phone_number_id")]
    assert (response.status_code, response.json()) == (422, {"detail": [*blank, file]})


def test_the_method_is_checked_before_the_origin(ours: Workspace) -> None:
    browser = make.browser(make.member(ours))
    foreign = {"Origin": "https://evil.example.com"}

    wrong_method = browser.put("/auth/me", {}, headers=foreign)
    wrong_origin = browser.patch("/auth/me", {}, headers={**foreign, "X-Workspace-ID": "nobodys"})

    assert (wrong_method.status_code, wrong_method.json()) == (
        405,
        {"detail": "Method not allowed"},
    )
    assert (wrong_origin.status_code, wrong_origin.json()) == (
        403,
        {"detail": "Origin not allowed"},
    )


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        ("", "application/json", (201, None)),
        ("", "text/plain", (201, None)),
        ("{}", "application/json", (201, None)),
        ("{", "application/json", MALFORMED),
        (
            '{"a": 1}',
            "application/json",
            (
                422,
                {
                    "detail": [
                        {
                            "loc": ["body", "a"],
                            "msg": "extra fields not permitted",
                            "type": "value_error.extra",
                        }
                    ]
                },
            ),
        ),
        ("x", "text/plain", (415, {"detail": "Unsupported media type"})),
    ],
)
def test_an_action_without_fields_accepts_an_empty_body_only(
    ours: Workspace, body: str, content_type: str, expected: tuple[int, object]
) -> None:
    agent = make.agent(ours)
    key = make.api_key(ours)[1]

    response = Client(headers={"X-API-Key": key}).generic(
        "POST", f"/agents/{agent.pk}/duplicate", body, content_type=content_type
    )

    status, expected_body = expected
    assert (response.status_code, expected_body and response.json()) == (status, expected_body)
    assert ours.agents.count() == (2 if status == 201 else 1)
