"""docs/reference/settings.md: every variable, as `.env.example` has it."""

import re
from collections.abc import Iterator

from django.conf import settings

EXAMPLE = settings.BASE_DIR / ".env.example"
OPERATIONS_PAGE = settings.BASE_DIR / "docs/operations.md"
SECTION = re.compile(r"# --- (.+) ---")
VARIABLE = re.compile(r"(#?)([A-Z][A-Z0-9_]+)=(.*)")
SETTINGS_HEAD = f"""# Settings

Every variable that VoiceOps reads from the environment, written by `make docs` from
`.env.example`. `manage.py` reads a copy of that file named `.env`; variables of the environment
take precedence. With `DEBUG=1` and nothing else everything has a working default. With `DEBUG=0`
nothing starts while a secret is missing or is still the example; `python ops/new_secrets.py` prints
new ones. How they work together is in [operations](../{OPERATIONS_PAGE.name}).
"""


def settings_page() -> str:
    """Return the page."""
    return "\n".join([SETTINGS_HEAD, *_lines(EXAMPLE.read_text().splitlines())]) + "\n"


def _lines(example: list[str]) -> Iterator[str]:
    """Yield a table for each section: variables with the comments that stand above them."""
    comment: list[str] = []
    yield from _table_head("General")
    for line in example:
        if section := SECTION.fullmatch(line):
            title = section[1]
            yield from ("", *_table_head(title[:1].upper() + title[1:]))
            comment = []
        elif variable := VARIABLE.fullmatch(line):
            is_optional, name, value = variable.groups()
            default = f"`{value}`" if value else ""
            kind = default if is_optional else f"{default} (example)"
            yield f"| `{name}` | {kind} | {' '.join(comment)} |"
            comment = []
        elif line.startswith("# "):
            comment.append(line.removeprefix("# ").replace("|", "\\|"))
        else:
            comment = []


def _table_head(title: str) -> tuple[str, ...]:
    return f"## {title}", "", "| variable | default | what it does |", "|---|---|---|"
