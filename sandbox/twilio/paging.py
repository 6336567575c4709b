"""Twilio's pages: with a relative `next_page_uri` in the 2010 API, an absolute `next_page_url` in
v1.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from sandbox.store import Row

# The host of links, whichever host was asked; clients that use another must rewrite it.
TRUNKING_URL = "https://trunking.twilio.com"
MAX_PAGE_SIZE = 1000


def _window(rows: list[Row], query: Mapping[str, str]) -> tuple[int, int, list[Row], bool]:
    # Twilio serves at most 1,000 rows a page, whatever is asked for.
    size = min(max(int(query.get("PageSize") or 50), 1), MAX_PAGE_SIZE)
    page = max(int(query.get("Page") or 0), 0)
    return page, size, rows[page * size : (page + 1) * size], len(rows) > (page + 1) * size


def _link(path: str, query: Mapping[str, str], page: int, size: int) -> str:
    kept = {k: v for k, v in query.items() if k not in ("Page", "PageSize", "PageToken")}
    return f"{path}?{urlencode({**kept, 'PageSize': size, 'Page': page})}"


def page_2010(
    key: str, rows: list[Row], path: str, query: Mapping[str, str], render: Callable[[Row], Row]
) -> dict[str, Any]:
    page, size, window, more = _window(rows, query)
    return {
        key: [render(row) for row in window],
        "page": page,
        "page_size": size,
        "start": page * size,
        "end": page * size + max(len(window) - 1, 0),
        "uri": _link(path, query, page, size),
        "first_page_uri": _link(path, query, 0, size),
        "previous_page_uri": _link(path, query, page - 1, size) if page else None,
        "next_page_uri": _link(path, query, page + 1, size) if more else None,
    }


def page_v1(
    key: str, rows: list[Row], path: str, query: Mapping[str, str], render: Callable[[Row], Row]
) -> dict[str, Any]:
    page, size, window, more = _window(rows, query)
    return {
        key: [render(row) for row in window],
        "meta": {
            "page": page,
            "page_size": size,
            "key": key,
            "url": TRUNKING_URL + _link(path, query, page, size),
            "first_page_url": TRUNKING_URL + _link(path, query, 0, size),
            "previous_page_url": TRUNKING_URL + _link(path, query, page - 1, size)
            if page
            else None,
            "next_page_url": TRUNKING_URL + _link(path, query, page + 1, size) if more else None,
        },
    }
