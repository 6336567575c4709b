import time
from typing import Any

import pytest

from agents.prompts import complete_variables, missing_variables, render

CONFIG: dict[str, Any] = {
    "variables": [
        {"name": "first_name", "required": True},
        {"name": "day", "required": True, "default": "tomorrow"},
        {"name": "note"},
    ]
}


@pytest.mark.parametrize(
    ("text", "variables", "spoken"),
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
def test_a_placeholder_is_replaced_by_plain_text_once(
    text: str, variables: dict[str, Any], spoken: str
) -> None:
    assert render(text, variables) == spoken


def test_a_hostile_prompt_costs_no_time() -> None:
    began = time.monotonic()

    render("{{" * 50_000 + " " * 50_000 + "{{ x" * 10_000, {"x": "y"})

    assert time.monotonic() - began < 1


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
def test_a_required_variable_without_value_and_default_is_missing(
    values: dict[str, Any], missing: list[str]
) -> None:
    assert missing_variables(CONFIG, values) == missing


def test_an_agent_without_variables_misses_nothing() -> None:
    assert missing_variables({}, {"anything": "goes"}) == []


def test_blank_values_give_way_to_defaults_and_the_rest_is_silence() -> None:
    complete = complete_variables(CONFIG, {"first_name": "Ada", "day": " ", "other": "kept"})

    assert complete == {"first_name": "Ada", "day": "tomorrow", "note": "", "other": "kept"}
