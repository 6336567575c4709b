"""The source as the architecture tests read it: files, syntax trees, functions."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = (
    "accounts",
    "agents",
    "batches",
    "console",
    "ops",
    "sandbox",
    "telephony",
    "voiceops",
    "webhooks",
    "worker",
)
# Those, the voice worker, what they are measured against, and what clients install.
PROGRAMS = (*APPS, "voice", "benchmarks", "kits/python/src")
SKIPPED = {"migrations", ".venv", ".venv-docs", ".venv-worker", "_generated", "node_modules"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(*folders: str) -> list[Path]:
    """The Python files below `folders`, without migrations and installed packages."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if SKIPPED.isdisjoint(path.relative_to(ROOT).parts))


def name_of(path: Path) -> str:
    """`path` relative to the repository."""
    return str(path.relative_to(ROOT))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def functions(path: Path) -> Iterator[Function]:
    """Every function and method of a file, nested ones included."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, Function):
            yield node


def length_of(function: Function) -> int:
    """Lines from `def` to the last one, decorators not counted."""
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def words_of(identifier: str) -> list[str]:
    """The words inside snake_case or CamelCase, in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", identifier)]
