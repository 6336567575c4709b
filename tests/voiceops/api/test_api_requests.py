"""The API's requests skip what only pages need, and leave nothing in memory."""

import gc
from typing import Any

import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.test import Client, RequestFactory
from pytest_django import Settings

from accounts.models import Workspace
from tests import make

SHORT_WAY = "voiceops.api.api_requests.ApiRequestsMiddleware"
HEADERS = {"X-Request-ID": "the-same-one", "Cookie": "csrftoken=a; messages=b"}
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "path", ["/calls", "/calls/nothing", "/nowhere", "/calls/", "/auth/me", "/console"]
)
def test_both_ways_give_the_same_answer(path: str, ours: Workspace, settings: Settings) -> None:
    headers = {**HEADERS, "Authorization": f"Bearer {make.access_token(make.member(ours))}"}

    short = Client().get(path, headers=headers)
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != SHORT_WAY]
    long = Client().get(path, headers=headers)

    assert (short.status_code, short.content) == (long.status_code, long.content)
    assert dict(short.items()) == dict(long.items())


def test_the_short_way_begins_above_files_and_sessions() -> None:
    names = settings.MIDDLEWARE

    assert names[names.index(SHORT_WAY) + 1].startswith("whitenoise")


@pytest.mark.parametrize("path", ["/calls", "/calls/nothing", "/agents", "/healthz"])
def test_nothing_of_a_request_is_left_to_the_garbage_collector(path: str, ours: Workspace) -> None:
    make.agent(ours)
    application: Any = WSGIHandler()
    factory: Any = RequestFactory(headers={"X-API-Key": make.api_key(ours)[1]})

    def answer() -> None:
        response = application(factory._base_environ(PATH_INFO=path), lambda *_: None)
        assert b"".join(response)
        response.close()

    answer()  # makes what is kept
    gc.collect()
    gc.disable()
    try:
        answer()
        assert gc.collect() == 0
    finally:
        gc.enable()
