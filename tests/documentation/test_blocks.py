"""Code blocks: each has a language, and says what is true. Those that can be run are, elsewhere."""

import json
import re
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]

from tests.architecture.source import ROOT
from tests.contract.test_description import described, strict
from tests.documentation.pages import Block, every_block, every_page, prose_of

# `text` is for output, pictures and lists of files; `http` for an answer with its headers.
LANGUAGES = {"sh", "python", "json", "yaml", "text", "http", "typescript"}
PART = "part of "
NOT_OF_THE_API = {"mcp.json"}  # titles of what other programs read
BLOCKS = every_block()


def of(language: str) -> list[Any]:
    return [pytest.param(block, id=block.place) for block in BLOCKS if block.language == language]


def test_every_block_has_a_language() -> None:
    unknown = [block.place for block in BLOCKS if block.language not in LANGUAGES]

    assert len(BLOCKS) > 50
    assert unknown == []


def test_no_block_hides_in_an_indentation() -> None:
    # After a blank line and a paragraph; lists continue with two spaces.
    indented = re.compile(r"^(?! |[-*] |\d+\. ).*\n\n {4,}\S.*", re.MULTILINE)

    found = {page.name: indented.findall(prose_of(page)) for page in every_page()}

    assert {page: places for page, places in found.items() if places} == {}


def test_no_command_passes_for_text() -> None:
    looks_run = re.compile(r"^(curl|make|docker|python3?|\.venv\S*) ", re.MULTILINE)

    assert [
        block.place for block in BLOCKS if block.language == "text" and looks_run.search(block.text)
    ] == []


@pytest.mark.parametrize("block", of("json"))
def test_json_is_of_the_type_that_its_title_names(block: Block) -> None:
    value = json.loads(block.text)

    if block.title in NOT_OF_THE_API:
        return
    schema = schema_of(block.title)
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    assert [error.message for error in validator.iter_errors(value)] == []


def schema_of(title: str) -> dict[str, Any]:
    """The type of the OpenAPI document; of a part only the fields that are there."""
    components = strict(described()["components"])
    schema = {**components["schemas"][title.removeprefix(PART)], "components": components}
    if title.startswith(PART):
        schema.pop("required", None)
    return schema


@pytest.mark.parametrize("block", of("yaml"))
def test_yaml_can_be_read(block: Block) -> None:
    assert isinstance(yaml.safe_load(block.text), dict)


@pytest.mark.parametrize("block", of("http"))
def test_an_answer_has_a_body_of_the_api(block: Block) -> None:
    head, _, body = block.text.partition("\n\n")

    assert head.startswith("HTTP/1.1 ")
    assert schema_of("Error")["required"] == [*json.loads(body)]


def test_targets_of_make_exist() -> None:
    targets = set(
        re.findall(r"^([a-z-]+(?: [a-z-]+)*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    )
    names = {name for target in targets for name in target.split()}
    called = {
        (block.place, target)
        for block in BLOCKS
        if block.language == "sh"
        for target in re.findall(r"^make ([a-z-]+)", block.text, re.MULTILINE)
    }

    assert {place for place, target in called if target not in names} == set()
