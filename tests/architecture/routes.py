"""Every route of the URL resolver: path with `{parameters}`, view class, methods and actions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

# Pages in HTML, with tests of their own: tests/admin and tests/console/test_routes.py.
HTML_PAGES = ("/admin/", "/console", "/auth/continue")
PARAMETER = re.compile(r"\(\?P<(\w+)>[^()]*\)|<(?:\w+:)?(\w+)>")


@dataclass(frozen=True)
class Route:
    path: str
    view: type
    # Method -> action; in a view without actions, the method's own name.
    methods: dict[str, str]

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)


def routes() -> list[Route]:
    return sorted(_walk(get_resolver().url_patterns, "/"), key=lambda route: route.path)


def _walk(patterns: list[Any], prefix: str) -> Iterator[Route]:
    for entry in patterns:
        path = prefix + _readable(str(entry.pattern))
        is_home = path == "/" and isinstance(entry, URLPattern)
        if is_home or path.startswith(HTML_PAGES):
            continue
        if isinstance(entry, URLResolver):
            yield from _walk(entry.url_patterns, path)
        elif isinstance(entry, URLPattern):
            callback: Any = entry.callback
            view = getattr(callback, "cls", getattr(callback, "view_class", type(callback)))
            names = [
                name for name in ("get", "post", "put", "patch", "delete") if hasattr(view, name)
            ]
            actions = dict(getattr(callback, "actions", None) or {name: name for name in names})
            actions.pop("head", None)  # answered like GET
            yield Route(path, view, actions)


def _readable(pattern: str) -> str:
    pattern = re.sub(r"^\^|\$$|\\Z$|/\?\$?$", "", pattern).replace(r"\.", ".")
    return PARAMETER.sub(lambda match: "{" + (match[1] or match[2]) + "}", pattern)
