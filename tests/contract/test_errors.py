"""Every error is JSON with a `detail` and the documented status, in the documented order."""

import json

import pytest
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import Workspace
from tests import make
from voiceops.api import kept_reads


def crash(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("the secret inside")


def too_big(request: HttpRequest) -> HttpResponse:
    raise RequestDataTooBig


urlpatterns = [path("crash", crash), path("too-big", too_big), path("", include("voiceops.urls"))]
MALFORMED = (400, {"detail": "Malformed request body"})


@pytest.mark.django_db
@pytest.mark.parametrize(
    "url", ["/nowhere", "/", "/auth", "/api-keys/x/y", "/workspaces/%00/nothing"]
)
@pytest.mark.parametrize("debug", [True, False])
def test_an_unknown_url_is_404_before_any_other_check(
    url: str, debug: bool, settings: Settings
) -> None:
    settings.DEBUG = debug

    response = APIClient().delete(url)

    assert (response.status_code, response.json()) == (404, {"detail": "Not found"})


@pytest.mark.urls("tests.contract.test_errors")
@pytest.mark.parametrize("debug", [True, False])
def test_a_crash_reveals_nothing(
    debug: bool, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DEBUG = debug

    response = Client(raise_request_exception=False).get("/crash")

    assert (response.status_code, response.json()) == (500, {"detail": "Internal server error"})
    assert "the secret inside" in caplog.text


@pytest.mark.urls("tests.contract.test_errors")
def test_a_body_too_large_is_413_outside_rest_framework_too() -> None:
    response = Client().get("/too-big")

    assert (response.status_code, response.json()) == (413, {"detail": "Request body too large"})


def test_a_body_too_large_is_413(ours: Workspace, settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10

    response = make.client(ours).post(
        "/api-keys", {"name": "much longer than ten bytes", "role": "member"}
    )

    assert (response.status_code, response.json()) == (413, {"detail": "Request body too large"})


@pytest.mark.parametrize("debug", [True, False])
def test_an_unknown_host_is_400(debug: bool, settings: Settings) -> None:
    settings.DEBUG = debug

    response = Client().get("/auth/me", headers={"Host": "evil.example.com"})

    assert (response.status_code, response.json()) == (400, {"detail": "Bad request"})


def test_a_trailing_slash_is_accepted(ours: Workspace) -> None:
    client = make.client(ours)

    assert client.get("/audit-log/").json() == client.get("/audit-log").json()
    assert client.get("/api-keys/").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": ',
        b'{"name": NaN}',
        b'{"name": "\\ud800"}',
        b'{"name": "\xff"}',
        b'{"name": 1e999}',
        b"[" * 200_000,
        b"[" * 33 + b"]" * 33,
        b'{"a":' * 40 + b"1" + b"}" * 40,
    ],
)
def test_malformed_json_is_400(ours: Workspace, body: bytes) -> None:
    key = make.api_key(ours)[1]

    response = Client(headers={"X-API-Key": key}).generic(
        "POST", "/api-keys", body, content_type="application/json"
    )

    assert (response.status_code, response.json()) == MALFORMED


def test_a_nul_is_refused_at_its_field(ours: Workspace) -> None:
    body = '{"name": "a\\u0000b", "role": [["c"], {"x": "\\u0000"}], "d": {"\\u0000": "\\u0000"}}'

    response = make.client(ours).generic("POST", "/api-keys", body, content_type="application/json")

    places: list[list[str | int]] = [["name"], ["role", 1, "x"], ["d"]]
    nul = {"msg": "Null characters are not allowed.", "type": "value_error"}
    expected = [{"loc": ["body", *place], **nul} for place in places]
    assert (response.status_code, response.json()) == (422, {"detail": expected})


def test_an_escaped_backslash_before_u0000_is_no_nul(ours: Workspace) -> None:
    body = '{"name": "C:\\\\u0000", "role": "member"}'

    response = make.client(ours).generic("POST", "/api-keys", body, content_type="application/json")

    assert (response.status_code, response.json()["name"]) == (201, r"C:\u0000")


@pytest.mark.parametrize("body", ["[]", "1", '"text"', "true", "[[" * 15 + "]]" * 15])
def test_a_body_other_than_an_object_is_422(ours: Workspace, body: str) -> None:
    response = make.client(ours).generic("POST", "/api-keys", body, content_type="application/json")

    mistake = {"loc": ["body"], "msg": "value is not a valid dict", "type": "type_error.dict"}
    assert (response.status_code, response.json()) == (422, {"detail": [mistake]})


def test_a_null_body_is_422(ours: Workspace) -> None:
    response = make.client(ours).generic(
        "POST", "/api-keys", "null", content_type="application/json"
    )

    mistake = {
        "loc": ["body"],
        "msg": "none is not an allowed value",
        "type": "type_error.none.not_allowed",
    }
    assert (response.status_code, response.json()) == (422, {"detail": [mistake]})


def test_an_empty_body_lacks_every_required_field(ours: Workspace) -> None:
    response = make.client(ours).generic("POST", "/api-keys", "")

    missing = {"msg": "field required", "type": "value_error.missing"}
    expected = [{"loc": ["body", name], **missing} for name in ("name", "role")]
    assert (response.status_code, response.json()) == (422, {"detail": expected})


def test_accept_does_not_change_the_response(ours: Workspace) -> None:
    response = make.client(ours).get("/api-keys/x", headers={"Accept": "text/html"})

    assert response["Content-Type"] == "application/json"
    assert response.status_code == 405


def test_all_field_errors_are_returned_at_once(ours: Workspace) -> None:
    body = {
        "name": 5,
        "role": "king",
        "expires_at": "soon",
        "prefix": "ignored",
        "workspace": "sneaky",
    }

    response = make.client(ours).post("/api-keys", body)

    permitted = "value is not a valid enumeration member; permitted: 'member', 'manager', 'admin'"
    assert (response.status_code, response.json()) == (
        422,
        {
            "detail": [
                {"loc": ["body", "name"], "msg": "str type expected", "type": "type_error.str"},
                {"loc": ["body", "role"], "msg": permitted, "type": "type_error.enum"},
                {
                    "loc": ["body", "expires_at"],
                    "msg": "invalid datetime format",
                    "type": "value_error.datetime",
                },
                {
                    "loc": ["body", "workspace"],
                    "msg": "extra fields not permitted",
                    "type": "value_error.extra",
                },
            ]
        },
    )


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("page=0", "page"),
        ("page=x", "page"),
        ("page_size=0", "page_size"),
        ("page_size=201", "page_size"),
    ],
)
def test_invalid_pages_are_refused(ours: Workspace, query: str, name: str) -> None:
    response = make.client(ours).get(f"/api-keys?{query}")

    limits = {
        "page=0": ("ensure this value is greater than or equal to 1", "value_error.number.not_ge"),
        "page_size=0": (
            "ensure this value is greater than or equal to 1",
            "value_error.number.not_ge",
        ),
        "page_size=201": (
            "ensure this value is less than or equal to 200",
            "value_error.number.not_le",
        ),
        "page=x": ("value is not a valid integer", "type_error.integer"),
    }
    msg, kind = limits[query]
    assert (response.status_code, response.json()) == (
        422,
        {"detail": [{"loc": ["query", name], "msg": msg, "type": kind}]},
    )


def test_all_query_errors_are_returned_at_once(ours: Workspace) -> None:
    response = make.client(ours).get("/audit-log?page=0&actor=me&after=soon&unknown=1")

    assert response.status_code == 422
    assert [m["loc"] for m in response.json()["detail"]] == [
        ["query", n] for n in ("page", "actor", "after")
    ]


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_pages_have_correct_totals(ours: Workspace, rows: int) -> None:
    for _ in range(rows):
        make.audit_entry(ours)
    client = make.client(ours)

    first = client.get("/audit-log?page_size=2").json()
    beyond = client.get("/audit-log?page_size=2&page=9").json()

    total_pages = (rows + 1) // 2
    assert {k: v for k, v in first.items() if k != "items"} == {
        "total": rows,
        "page": 1,
        "page_size": 2,
        "total_pages": total_pages,
    }
    assert len(first["items"]) == min(rows, 2)
    assert beyond == {
        "items": [],
        "total": rows,
        "page": 9,
        "page_size": 2,
        "total_pages": total_pages,
    }


@pytest.mark.parametrize("page", [2**31, 10**30])
def test_a_page_far_past_the_end_is_empty(ours: Workspace, page: int) -> None:
    make.audit_entry(ours)

    response = make.client(ours).get(f"/audit-log?page={page}")

    assert response.json() == {
        "items": [],
        "total": 1,
        "page": page,
        "page_size": 50,
        "total_pages": 1,
    }


def test_a_deep_page_has_the_right_rows(ours: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(7):
        make.call(ours)
    client = make.client(ours)

    shallow = client.get("/calls?page=3&page_size=2&sort=-ended_at").json()
    monkeypatch.setattr(kept_reads, "DEEP_PAGE_ROWS", 2)
    deep = client.get("/calls?page=3&page_size=2&sort=-ended_at").json()

    assert len(deep["items"]) == 2
    assert deep == shallow


def test_lists_are_newest_first_and_pages_do_not_overlap(ours: Workspace) -> None:
    made = [str(make.audit_entry(ours).pk) for _ in range(5)]
    client = make.client(ours)

    pages = [
        client.get(f"/audit-log?page_size=2&page={page}").json()["items"] for page in (1, 2, 3)
    ]

    assert [entry["id"] for page in pages for entry in page] == made[::-1]
    assert json.dumps(pages).count('Z"') == 5
