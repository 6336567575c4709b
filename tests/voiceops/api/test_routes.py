"""Routes are found by the first part of their path, and are the same as Django would find."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, URLPattern, URLResolver, include, path, re_path
from django.urls.resolvers import RoutePattern

from tests.architecture.routes import routes
from voiceops.api.routes import RoutesByFirstPart
from voiceops.urls import urlpatterns

ID = "0192f0c0-0000-7000-8000-000000000001"
UNKNOWN = ["", "nowhere", "calls/", f"calls/{ID}/nothing", "callsx", "Calls", "console/nothing"]
[ours] = urlpatterns
djangos = URLResolver(RoutePattern(""), ours.url_patterns)


def paths() -> Iterator[str]:
    """The paths of all routes, with an id for each parameter, and some of none."""
    for route in routes():
        text = route.path.removeprefix("/")
        for parameter in route.parameters:
            text = text.replace(f"{{{parameter}}}", ID)
        yield text
    yield from UNKNOWN
    yield from (
        "admin/",
        "admin/telephony/call/",
        "console",
        "console/calls",
        f"console/calls/{ID}",
    )


def found_by(resolver: URLResolver, text: str) -> Any:
    try:
        match = resolver.resolve(text)
    except Resolver404:
        return None
    return (
        match.func, match.args, match.kwargs, match.view_name, match.namespaces, match.app_names,
        match.route,
    )  # fmt: skip


def test_every_path_leads_where_the_first_matching_route_leads() -> None:
    found = {text: found_by(ours, text) for text in paths()}

    assert found == {text: found_by(djangos, text) for text in found}
    assert sum(match is not None for match in found.values()) > 90
    assert [found[text] for text in UNKNOWN[1:]] == [None] * len(UNKNOWN[1:])


def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@pytest.mark.parametrize(
    "route",
    [
        path("<str:anything>", view),
        path("call<str:rest>", view),
        re_path("^(?P<pk>[^/]+)$", view),
        re_path("^call.$", view),
        re_path("calls$", view),
    ],
)
def test_a_route_whose_first_part_is_no_literal_is_refused(route: URLPattern) -> None:
    for nested in (route, path("", include([route]))):
        with pytest.raises(ImproperlyConfigured, match="must begin with a literal part"):
            RoutesByFirstPart([nested]).resolve("calls")
