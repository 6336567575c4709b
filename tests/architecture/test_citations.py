"""Every page, section and file that code and documents cite is there.

A citation is `docs/reference/protocols.md §2.2`: a page of this repository, and a heading, an id
in a table (`§E6`) or an item of a numbered list (`§9.13`) on it.
"""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.architecture.source import ROOT, name_of

# The same section may be named on the next line, which begins with its own comment sign.
BETWEEN = r"(?:\s|#)*"
SECTION = r"[A-Z]?\d+(?:\.\d+)*|[A-Z]\b"
CITATION = re.compile(
    rf"(?P<page>[\w./-]*\w\.md)\b[`\])]*(?P<sections>(?:(?:,|\band\b|{BETWEEN})*§\s?(?:{SECTION}))*)"
)
ANY_SECTION = re.compile(rf"§\s?({SECTION})")
HEADING = re.compile(r"#+ (?P<id>[A-Z]?\d+(?:\.\d+)*|[A-Z])\.?\s")
TABLE_ROW = re.compile(r"\| (?P<id>[A-Z]\d+) \|")
LIST_ITEM = re.compile(r"(?P<id>\d+)\. ")
CODE_PATH = re.compile(
    r"\b(?:accounts|agents|batches|benchmarks|docs|ops|sandbox|telephony|templates|tests|voice|voiceops|webhooks"
    r"|worker)(?:/[\w.-]+)+\.(?:py|html|js|csv)\b"
)


def cited_files() -> list[Path]:
    """Everything in the repository that a human wrote and that may cite a page."""
    names = subprocess.check_output(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True
    )
    wanted = re.compile(
        r".*\.(py|md|in|toml|yaml|html|js)|Makefile|Dockerfile|\.ci/run|\.env\.example|\.importlinter"
    )
    ours = (name for name in names.splitlines() if "vendor/" not in name)
    paths = [ROOT / name for name in ours if wanted.fullmatch(name)]
    return [path for path in paths if path.exists() and path != Path(__file__)]


@cache
def sections_of(page: Path) -> frozenset[str]:
    """Every section of `page` that may be cited."""
    found: set[str] = set()
    heading = ""
    for line in page.read_text().splitlines():
        if match := HEADING.match(line):
            heading = match["id"]
            found.add(heading)
        elif match := TABLE_ROW.match(line):
            found.add(match["id"])
        elif match := LIST_ITEM.match(line):
            found.add(f"{heading}.{match['id']}")
    return frozenset(found)


def page_of(name: str, citing: Path) -> Path | None:
    """The page a file means by `name`: from the root, or, in a document, from where it stands."""
    folders = [ROOT, citing.parent] if citing.suffix == ".md" else [ROOT]
    pages = [folder / name for folder in folders]
    return next((page.resolve() for page in pages if page.is_file()), None)


def dangling(path: Path) -> Iterator[str]:
    text = path.read_text()
    for match in CITATION.finditer(text):
        page = page_of(match["page"], path)
        if page is None:
            yield match["page"]
            continue
        for section in ANY_SECTION.findall(match["sections"]):
            if section not in sections_of(page):
                yield f"{match['page']} §{section}"
    without_citations = CITATION.sub("", text)
    own = sections_of(path) if path.suffix == ".md" else frozenset()
    yield from (f"§{s}" for s in ANY_SECTION.findall(without_citations) if s not in own)


def test_citations_resolve() -> None:
    found = {name_of(path): list(dangling(path)) for path in cited_files()}

    assert {name: cited for name, cited in found.items() if cited} == {}


def test_documents_name_files_that_exist() -> None:
    found = {
        name_of(page): [
            name for name in CODE_PATH.findall(page.read_text()) if not (ROOT / name).exists()
        ]
        for page in cited_files()
        if page.suffix == ".md"
    }

    assert {name: missing for name, missing in found.items() if missing} == {}
