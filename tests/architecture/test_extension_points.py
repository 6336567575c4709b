"""Knowledge goes down, as imports do: what a lower app asks of a higher one is registered by it."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps
from django.db.models import ForeignKey

from tests.architecture.source import ROOT, sources
from voiceops.core.extension_points import ExtensionPoint

# Bottom to top. `voiceops` has no models; its settings and urls name every app by design.
APPS = ("voiceops", "accounts", "agents", "telephony", "batches", "webhooks", "worker", "ops")
NAMES_EVERY_APP = {"voiceops/settings.py", "voiceops/urls.py"}
# Names in messages: of Celery, whose workers of the release before must understand those of this
# one, and of the voice worker's results.
WIRE_NAMES = {
    "agents/management/commands/rehearse.py",
    "agents/openapi/operations.py",
    "agents/rehearsing/rehearsals.py",
    "agents/rehearsing/replays.py",
    "agents/serializers/rehearsals.py",
    "voiceops/core/task_queue.py",
}
QUALIFIED_NAME = re.compile(rf"({'|'.join(APPS)})[._][A-Za-z]")


def declared_points() -> Iterator[tuple[str, str]]:
    for path in sources(*APPS):
        for name in re.findall(r"^(\w+): ExtensionPoint\[", path.read_text(), re.M):
            yield str(path.relative_to(ROOT).with_suffix("")).replace("/", "."), name


def related_names() -> dict[str, int]:
    """Reverse relations onto our tables, with the layer of the lowest app that declares one."""
    layers: dict[str, int] = {}
    for model in apps.get_models():
        if model._meta.app_label not in APPS:
            continue
        layer = APPS.index(model._meta.app_label)
        for field in model._meta.get_fields():
            if isinstance(field, ForeignKey):
                name = str(field.remote_field.get_accessor_name())
                layers[name] = min(layer, layers.get(name, layer))
    return layers


def names_in(path: Path) -> Iterator[tuple[int, str]]:
    """Attributes and filter arguments, which may be relations, and qualified names in strings."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.keyword) and node.arg:
            for part in node.arg.split("__"):
                yield node.value.lineno, part
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


@pytest.mark.parametrize(("module", "name"), sorted(declared_points()))
def test_every_extension_point_is_filled(module: str, name: str) -> None:
    point = getattr(import_module(module), name)

    assert isinstance(point, ExtensionPoint)
    assert point.all()


def test_no_app_names_what_belongs_to_a_higher_one() -> None:
    relations = related_names()
    found = []
    for path in sources(*APPS):
        file = str(path.relative_to(ROOT))
        if file in NAMES_EVERY_APP | WIRE_NAMES:
            continue
        layer = APPS.index(path.relative_to(ROOT).parts[0])
        for line, name in names_in(path):
            qualified = QUALIFIED_NAME.match(name)
            owner = APPS.index(qualified[1]) if qualified else relations.get(name, 0)
            if owner > layer:
                found.append(f"{file}:{line}: {name}")

    assert len(relations) > 30
    assert found == []


def test_the_points_are_found() -> None:
    assert len(list(declared_points())) >= 8
