"""Sizes, comments and where modules may lie."""

import io
import tokenize
from pathlib import Path

from tests.architecture.source import APPS, PROGRAMS, ROOT, functions, length_of, name_of, sources

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40
MAX_P90_LINES = 18
MIN_COMMENT_SHARE = 0.02
MAX_LOOSE_MODULES = 5
# What every app has, as a module or as a package, and what Django looks for.
PLANNED = (
    *("__init__", "admin", "apps", "models", "serializers", "services", "urls", "views"),
    *("celery", "settings", "wsgi"),
)


def test_no_file_is_too_long() -> None:
    lengths = {
        name_of(path): len(path.read_text().splitlines()) for path in sources(*PROGRAMS, "tests")
    }

    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_no_function_is_too_long() -> None:
    long = {
        f"{name_of(path)}:{function.lineno} {function.name}": length_of(function)
        for path in sources(*PROGRAMS)
        for function in functions(path)
        if length_of(function) > MAX_FUNCTION_LINES
    }

    assert long == {}


def test_nine_of_ten_functions_are_short() -> None:
    lengths = sorted(length_of(function) for path in sources(*APPS) for function in functions(path))

    assert lengths[int(len(lengths) * 0.9)] <= MAX_P90_LINES


def comment_lines(path: Path) -> int:
    """Lines that hold a comment and nothing else."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    return sum(
        token.type == tokenize.COMMENT and token.line.strip().startswith("#") for token in tokens
    )


def test_hard_steps_are_commented() -> None:
    files = sources(*APPS)
    lines = sum(len(path.read_text().splitlines()) for path in files)

    assert sum(map(comment_lines, files)) / lines >= MIN_COMMENT_SHARE


def test_modules_lie_in_packages() -> None:
    """In every app; the sandbox is a program of its own."""
    loose = {
        app: sorted(path.stem for path in (ROOT / app).glob("*.py") if path.stem not in PLANNED)
        for app in APPS
        if app != "sandbox"
    }

    assert {app: names for app, names in loose.items() if len(names) > MAX_LOOSE_MODULES} == {}
