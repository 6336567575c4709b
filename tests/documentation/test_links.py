"""Every link between our pages leads to a page, and to a heading that is on it."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.documentation.pages import every_page, prose_of

LINK = re.compile(r"\]\((?!https?://|mailto:)([^)\s]*)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors_of(page: Path) -> set[str]:
    """The names that GitHub and the site give to the headings of a page."""
    titles = [
        re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", title)
        for title in HEADING.findall(prose_of(page))
    ]
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


def dead_links(page: Path) -> Iterator[str]:
    for link in LINK.findall(prose_of(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            yield link


def test_no_link_is_dead() -> None:
    found = {str(page): [*dead_links(page)] for page in every_page()}

    assert {page: links for page, links in found.items() if links} == {}


def test_pages_of_the_site_link_to_nothing_beside_it() -> None:
    docs = next(page for page in every_page() if page.parent.name == "docs").parent
    pages = [page for page in every_page() if docs in page.parents]

    outside = {
        page.name: [
            link
            for link in LINK.findall(prose_of(page))
            if not link.startswith("#")
            and docs not in (page.parent / link.partition("#")[0]).resolve().parents
        ]
        for page in pages
    }
    assert {page: links for page, links in outside.items() if links} == {}
