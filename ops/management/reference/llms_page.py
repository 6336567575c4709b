"""docs/llms.txt: the pages of the site for language models (https://llmstxt.org)."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings

DOCS = settings.BASE_DIR / "docs"
SITE = settings.BASE_DIR / "mkdocs.yml"
PAGE_TITLE = re.compile(r"# (?:\d+\. )?(.+)")
MARKDOWN_LINK = re.compile(r"\[([^]]*)\]\([^)]*\)")
FIRST_PAGES = "Begin here"


def llms_page() -> str:
    """Return the page, in the order of the site's menu."""
    site = yaml.safe_load(SITE.read_text())
    head = [f"# {site['site_name']}", "", f"> {site['site_description']}.", ""]
    api = [
        "A running server has its API in short at `/llms.txt`, and all of it at `/openapi.json`."
    ]
    return "\n".join([*head, *api, *_sections(site["nav"])]) + "\n"


def _sections(menu: list[Any]) -> Iterator[str]:
    first = [entry for entry in menu if isinstance(entry, str)]
    named = [section for entry in menu if isinstance(entry, dict) for section in entry.items()]
    for title, pages in [(FIRST_PAGES, first), *named]:
        yield from ("", f"## {title}", "")
        yield from (_line(DOCS / page) for page in pages)


def _line(page: Path) -> str:
    lines = page.read_text().splitlines()
    title = PAGE_TITLE.fullmatch(lines[0])
    assert title is not None, page
    link = page.relative_to(DOCS).with_suffix(".html")
    return f"- [{title[1]}]({link}): {_first_sentence(lines[1:])}"


def _first_sentence(lines: list[str]) -> str:
    """Return the first sentence of the first paragraph, without links."""
    paragraphs = "\n".join(lines).strip().split("\n\n")
    paragraph = next(each for each in paragraphs if not each.startswith("#")).replace("\n", " ")
    sentence = re.split(r"(?<=[.:]) (?=[A-Z])", MARKDOWN_LINK.sub(r"\1", paragraph))[0]
    return sentence.rstrip(".:") + "."
