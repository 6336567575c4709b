"""The pages of the documentation, and the code blocks on them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.architecture.source import ROOT

TUTORIAL = ROOT / "docs/tutorial.md"
FENCE = re.compile(r"(?P<indent> *)```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\s*$")


class Block(NamedTuple):
    """A fenced block: where it begins, what it is in, its title, and its text."""

    page: Path
    line: int
    language: str
    title: str
    text: str

    @property
    def place(self) -> str:
        """The page and line, as an editor opens them."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def every_page() -> list[Path]:
    """Return the pages for users, in the order in which one reads them, then those for us."""
    how_to = sorted((ROOT / "docs/how-to").glob("*.md"))
    others = sorted({*(ROOT / "docs").rglob("*.md")} - {TUTORIAL, *how_to})
    introduction = sorted((ROOT / "voiceops/api/introduction").glob("*.md"))
    own = [ROOT / name for name in ("README.md", "AGENTS.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [TUTORIAL, *how_to, *others, *introduction, *own, ROOT / "benchmarks/README.md"]


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page. Raises ValueError for one that does not end."""
    lines = enumerate(page.read_text().splitlines(), start=1)
    for number, line in lines:
        if fence := FENCE.fullmatch(line):
            text: list[str] = []
            for _, inner in lines:
                if inner.strip() == "```":
                    break
                text.append(inner.removeprefix(fence["indent"]))
            else:
                raise ValueError(f"{page}:{number} does not end")
            yield Block(page, number, fence["language"], fence["title"] or "", "\n".join(text))


def every_block() -> list[Block]:
    """Return the blocks of all pages."""
    return [block for page in every_page() for block in blocks_of(page)]


def prose_of(page: Path) -> str:
    """Return a page without its fenced blocks."""
    kept, is_inside = [], False
    for line in page.read_text().splitlines():
        if line.strip().startswith("```"):
            is_inside = not is_inside
        elif not is_inside:
            kept.append(line)
    return "\n".join(kept)
