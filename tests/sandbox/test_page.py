"""docs/sandbox.md lists every fault, behaviour and control."""

from pathlib import Path

import requests

from sandbox.faults import Rates, rates_as_json
from sandbox.phones.behaviours import BEHAVIOUR_FIELDS
from tests import sandbox_server

PAGE = (Path(__file__).parents[2] / "docs/sandbox.md").read_text()


def test_every_fault_and_behaviour_is_on_the_page() -> None:
    names = [*rates_as_json(Rates()), *BEHAVIOUR_FIELDS]

    assert [name for name in names if f"`{name}`" not in PAGE and f'"{name}"' not in PAGE] == []


def test_every_control_on_the_page_exists() -> None:
    controls = [
        line.split("|")[1]
        for line in PAGE.splitlines()
        if line.startswith(("| `GET", "| `PUT", "| `POST", "| `DEL"))
    ]
    with sandbox_server.start() as box:
        answers = {
            f"{method} {path}": requests.request(
                method, f"{box.url}/_sandbox/{path}", json={}, timeout=5
            ).status_code
            for control in controls
            for method, path in parse_control(control)
        }

    assert len(answers) == 14
    assert [control for control, status in answers.items() if status in (404, 405, 500)] == []


def parse_control(control: str) -> list[tuple[str, str]]:
    """Parse "`GET`, `PUT faults`" to GET faults and PUT faults."""
    words = control.replace("`", " ").replace(",", " ").split()
    path = next(word for word in words if word.islower())
    return [(word, path) for word in words if word.isupper()]
