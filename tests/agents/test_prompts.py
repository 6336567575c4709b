import time
from typing import Any

import pytest

from agents.prompts import complete_variables, find_missing_variables, render

CONFIG: dict[str, Any] = {
    "variables": [
        {"name": "first_name", "required": True},
        {"name": "day", "required": True, "default": "tomorrow"},
        {"name": "note"},
    ]
}


@pytest.mark.parametrize(
    ("text", "variables", "rendered"),
    [
        ("Hello {{first_name}}!", {"first_name": "Ada"}, "Hello Ada!"),
        ("Hello {{ first_name }}, {{first_name}}", {"first_name": "Ada"}, "Hello Ada, Ada"),
        ("On {{Due Date}}", {"Due Date": "3 May"}, "On 3 May"),
        ("Hello {{frist_name}}", {"first_name": "Ada"}, "Hello {{frist_name}}"),
        ("Hello {{name}}", {"name": "{{secret}}", "secret": "42"}, "Hello {{secret}}"),
        ("{{a}}{{b}}", {"a": "{{", "b": "c}}", "c": "no"}, "{{c}}"),
        (
            "{{x.__class__}} {{x|upper}} {{x[0]}}",
            {"x": "Ada"},
            "{{x.__class__}} {{x|upper}} {{x[0]}}",
        ),
        (r"Path {{x}}", {"x": r"\1 \g<0>"}, r"Path \1 \g<0>"),
        (
            "{{n}} {{yes}} {{list}} {{nothing}}.",
            {"n": 3, "yes": True, "list": [1], "nothing": None},
            "3 true [1] .",
        ),
        ("{{}} {x} {% x %}", {"": "empty", "x": "Ada"}, "{{}} {x} {% x %}"),
    ],
)
def test_placeholder_is_replaced_once_by_plain_text(
    text: str, variables: dict[str, Any], rendered: str
) -> None:
    assert render(text, variables) == rendered


def test_hostile_prompt_is_rendered_quickly() -> None:
    began = time.process_time()

    render("{{" * 50_000 + " " * 50_000 + "{{ x" * 10_000, {"x": "y"})

    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        ({}, ["first_name"]),
        ({"first_name": None}, ["first_name"]),
        ({"first_name": "  "}, ["first_name"]),
        ({"first_name": "Ada"}, []),
        ({"first_name": 0, "day": ""}, []),
    ],
)
def test_required_variable_without_value_or_default_is_missing(
    values: dict[str, Any], missing: list[str]
) -> None:
    assert find_missing_variables(CONFIG, values) == missing


def test_agent_without_variables_has_none_missing() -> None:
    assert find_missing_variables({}, {"anything": "goes"}) == []


def test_blank_values_become_defaults_or_empty_texts() -> None:
    complete = complete_variables(CONFIG, {"first_name": "Ada", "day": " ", "other": "kept"})

    assert complete == {"first_name": "Ada", "day": "tomorrow", "note": "", "other": "kept"}
