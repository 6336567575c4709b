"""Answers as the OpenAPI document shows them, so that fields which are added there are here too."""

import copy
import json
from functools import cache
from typing import Any

from tests.installation import ROOT


def example_of(path: str) -> dict[str, Any]:
    """The example of what a GET answers."""
    answer = _document()["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    value: dict[str, Any] = copy.deepcopy(answer["examples"]["example"]["value"])
    return value


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((ROOT / "kits/python/openapi.json").read_text())
    return document
