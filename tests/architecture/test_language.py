"""The language of docs/glossary.md, as far as a machine can check it."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.source import (
    PROGRAMS,
    ROOT,
    Function,
    functions,
    name_of,
    sources,
    tree_of,
    words_of,
)

# Identifiers that keep a retired word, at most ten, each with its reason.
ALLOWED: dict[str, str] = {
    "notes": "field of the contract's preview",
    "turn_taking": "field of the contract's agents",
    "say": "field of their pronunciations",
    "say_while_running": "field of their tools",
    "says": "field of the steps of their scripts",
    "agent_says": "what such a step expects",
    "agent_does_not_say": "the same",
    "erase_person": "a command that operators type",
}
MAX_ALLOWED = 10


def retired_words() -> frozenset[str]:
    """The words that docs/glossary.md has retired: those in backticks, first column."""
    page = (ROOT / "docs/glossary.md").read_text()
    rows = re.findall(r"^\|([^|]*)\|", page.partition("## Retired words")[2], re.MULTILINE)
    return frozenset(word for row in rows for word in re.findall(r"`(\w+)`", row))


def identifiers(path: Path) -> Iterator[tuple[str, int]]:
    """Every name a file defines: functions, classes, parameters, variables, attributes, aliases."""
    yield path.stem, 0
    for node in ast.walk(tree_of(path)):
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                yield name, node.lineno
            case ast.arg(arg=name):
                yield name, node.lineno
            case ast.Name(id=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.alias(asname=str(name)):
                yield name, node.lineno
            case _:
                pass


def test_retired_words_are_gone_from_identifiers() -> None:
    retired = retired_words()
    found: dict[str, list[str]] = defaultdict(list)
    for path in sources(*PROGRAMS):
        for name, line in identifiers(path):
            if not retired.isdisjoint(words_of(name)) and name not in ALLOWED:
                found[name].append(f"{name_of(path)}:{line}")

    assert dict(found) == {}


def test_the_glossary_has_its_words_in_order() -> None:
    page = (ROOT / "docs/glossary.md").read_text().partition("## Retired words")[0]
    words = [word.strip() for word in re.findall(r"^\|([^|]*)\|", page, re.MULTILINE)][2:]

    assert len(words) > 50
    assert words == sorted(words, key=str.lower)


def test_the_glossary_retires_words() -> None:
    assert {"told", "nobody", "leash"} <= retired_words()


def test_few_identifiers_keep_a_retired_word() -> None:
    defined = {name for path in sources(*PROGRAMS) for name, _ in identifiers(path)}

    assert len(ALLOWED) <= MAX_ALLOWED
    assert ALLOWED.keys() <= defined


def public_constants(path: Path) -> Iterator[tuple[str, str]]:
    """Names in capitals that a module assigns, with the source of their values."""
    for node in tree_of(path).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                pass
            case _:
                continue
        if name.isupper() and not name.startswith("_"):
            yield name, ast.unparse(value)


def test_a_constant_has_one_value() -> None:
    values: dict[str, dict[str, str]] = defaultdict(dict)
    for path in sources(*PROGRAMS):
        for name, value in public_constants(path):
            values[name][name_of(path)] = value

    assert {name: by for name, by in values.items() if len(set(by.values())) > 1} == {}


def own_errors() -> frozenset[str]:
    """Exceptions of ours, and functions that are declared to return one."""
    bases = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for path in sources(*PROGRAMS)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef)
    }
    errors = {"Exception", "RuntimeError", "ValueError", "TypeError", "LookupError", "OSError"}
    size = 0
    while size != len(errors):
        size = len(errors)
        errors |= {name for name, parents in bases.items() if parents & errors}
    errors &= bases.keys()
    makers = {
        function.name
        for path in sources(*PROGRAMS)
        for function in functions(path)
        if isinstance(function.returns, ast.Name) and function.returns.id in errors
    }
    return frozenset(errors | makers)


def raised_in(function: Function) -> Iterator[str]:
    """What a function itself raises by name; functions inside it speak for themselves."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, Function | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.Raise) and node.exc is not None:
            error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            yield error.attr if isinstance(error, ast.Attribute) else ast.unparse(error)
        waiting.extend(ast.iter_child_nodes(node))


def test_docstrings_say_what_is_raised() -> None:
    ours = own_errors()
    silent = [
        f"{name_of(path)}:{function.lineno} {function.name}"
        for path in sources(*PROGRAMS)
        for function in functions(path)
        if not function.name.startswith("_")
        and not ours.isdisjoint(raised_in(function))
        and "Raises" not in (ast.get_docstring(function) or "")
    ]

    assert silent == []
