"""docs/security.md names every requirement of the reference, and tests that exist."""

import re
from pathlib import Path

from django.conf import settings

ROOT = Path(settings.BASE_DIR)
PAGE = ROOT / "docs/security.md"
REFERENCE = ROOT / "docs/reference/reliability.md"
ROW = re.compile(r"^\| ([A-O]\d+) \| ([^|]+) \|", re.MULTILINE)
CITED = re.compile(r"`(?:tests/)?([\w/]+\.py)(?:::(test_\w+))?`")
STATES = {"holds", "partly", "open", "does not apply"}


def test_every_requirement_has_a_row_with_a_state() -> None:
    section = REFERENCE.read_text().partition("\n## 3. ")[2].partition("\n## 4. ")[0]
    required = [match[1] for match in ROW.finditer(section)]

    rows = ROW.findall(PAGE.read_text())

    assert [identifier for identifier, _ in rows] == required
    assert {state.strip() for _, state in rows} <= STATES


def test_a_requirement_that_holds_names_a_test() -> None:
    rows = [
        line for line in PAGE.read_text().splitlines() if re.match(r"\| [A-O]\d+ \| holds", line)
    ]

    assert [line for line in rows if "::test_" not in line] == []


def test_every_named_test_exists() -> None:
    cited = CITED.findall(PAGE.read_text())

    missing = [
        f"{path}::{name}"
        for path, name in cited
        if not (ROOT / "tests" / path).is_file()
        or (name and f"def {name}(" not in (ROOT / "tests" / path).read_text())
    ]

    assert missing == []
    assert len(cited) > 100
