"""Finishes a Postman collection that was converted from the OpenAPI document.

    python finish_collection.py openapi.json collection.json

The converter leaves placeholders where a request would otherwise fail, and an authorisation of its
own in every request. Afterwards one variable is the server and one the key, and what is optional is
switched off until somebody needs it. Exits with a sentence when operations are missing.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VARIABLES = {"baseUrl": "http://127.0.0.1:8000", "key": "vo_…"}
KEY = {"type": "bearer", "bearer": [{"key": "token", "value": "{{key}}", "type": "string"}]}
OPTIONAL_HEADERS = ("X-Workspace-ID", "Idempotency-Key")
# What the converter names the first of our ways to authenticate.
FIRST_SCHEME = "access_token"


def main(document: Path, collection: Path) -> None:
    """Rewrite the collection."""
    operations = json.loads(document.read_text())["paths"].values()
    converted = json.loads(collection.read_text())
    found = [*requests_of(converted["item"])]
    wanted = sum(len(methods) for methods in operations)
    if len(found) != wanted:
        sys.exit(f"The collection has {len(found)} requests for {wanted} operations")
    for request in found:
        finish_request(request)
    converted["auth"] = KEY
    converted["variable"] = [{"key": name, "value": value} for name, value in VARIABLES.items()]
    collection.write_text(json.dumps(converted, indent=1, ensure_ascii=False))


def requests_of(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the requests of all folders, without their examples of answers."""
    for item in items:
        if "item" in item:
            yield from requests_of(item["item"])
        else:
            # Postman sends none of them, and they are most of the file.
            item["response"] = []
            yield item["request"]


def finish_request(request: dict[str, Any]) -> None:
    """Let a request inherit the key, and switch off what it does not need."""
    if FIRST_SCHEME in json.dumps(request.get("auth")):
        del request["auth"]
    for header in request.get("header", ()):
        header["disabled"] = header["key"] in OPTIONAL_HEADERS
    for parameter in request["url"].get("query", ()):
        parameter["disabled"] = True


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
