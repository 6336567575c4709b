"""The kits know nothing of the server, and the server nothing of them.

import-linter cannot check it: the Python kit and the server's project are both named `voiceops`.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.source import APPS, ROOT, name_of, sources, tree_of

KIT = ROOT / "kits/python/src/voiceops"
BESIDE_THE_KIT = ("kits/python/tests", "kits/python/examples", "kits/generators", "kits/postman")
IMPORT = re.compile(r"^\s*(?:from|import) (voiceops(?:\.\w+)+|kits)\b", re.MULTILINE)
# Written by kits/python/generate.py, and in no commit.
GENERATED = {
    "voiceops._generated",
    *(f"voiceops._generated.{name}" for name in ("bodies", "events", "models", "operations")),
    "voiceops._generated.reads",
}


def imported_by(path: Path) -> Iterator[str]:
    """The modules that a file imports, by their full names."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively"
            yield str(node.module)


def modules_of_the_kit() -> set[str]:
    """`voiceops`, `voiceops.client`, `voiceops.cli.agents` …"""
    files = (path.relative_to(KIT.parent).with_suffix("") for path in sources(name_of(KIT)))
    return {".".join(path.parts).removesuffix(".__init__") for path in files} | GENERATED


def packages_of_the_kit() -> set[str]:
    """What its own pyproject.toml declares."""
    project = tomllib.loads((KIT.parents[1] / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["mcp"]]
    return {need.partition(">")[0] for need in needed}


def test_the_kit_imports_itself_and_the_packages_that_it_declares() -> None:
    allowed = modules_of_the_kit()
    packages = packages_of_the_kit() | sys.stdlib_module_names

    foreign = [
        f"{name_of(path)}: {module}"
        for path in sources(name_of(KIT))
        for module in imported_by(path)
        if module not in allowed and module.partition(".")[0] not in packages
    ]

    assert {"voiceops.client", "voiceops.cli.agents"} <= allowed
    assert foreign == []


def test_no_tests_examples_or_generators_of_the_kits_import_the_server() -> None:
    server = {*APPS, "django", "rest_framework", "celery"} - {"voiceops"}

    foreign = [
        f"{name_of(path)}: {module}"
        for path in sources(*BESIDE_THE_KIT)
        for module in imported_by(path)
        if module.partition(".")[0] in server
        or (module.startswith("voiceops.") and module not in modules_of_the_kit())
    ]

    assert foreign == []


def test_the_server_imports_only_the_voiceops_that_is_its_own() -> None:
    own = modules_of_the_kit() - GENERATED
    only_the_kits = {
        module
        for module in own
        if not any((ROOT / f"{module.replace('.', '/')}{end}").exists() for end in ("", ".py"))
    }

    # Read as text: to parse everything takes seconds.
    foreign = [
        f"{name_of(path)}: {module}"
        for path in sources(*APPS, "voice", "benchmarks")
        for module in IMPORT.findall(path.read_text())
        if module in only_the_kits or module == "kits"
    ]

    assert "voiceops.client" in only_the_kits
    assert foreign == []
