"""What came of rehearsals: a table for people, JSON and JUnit XML for programs."""

import json
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree  # it only writes here

from voice.rehearsal.verdict import Result, agent_turns


def as_table(results: Sequence[Result]) -> str:
    """Return a line for each script, with its failures below it."""
    width = max(len(result.label) for result in results)
    lines = []
    for result in results:
        if result.not_run is not None:
            lines.append(f"not run {result.label:<{width}}  {result.not_run}")
            continue
        verdict = "passed" if result.passed else "FAILED"
        turns = len(agent_turns(result.events))
        lines.append(
            f"{verdict}  {result.label:<{width}}  {turns} turns of the agent, "
            f"{result.seconds:.2f} s, ended by {result.reason or 'nothing'}"
        )
        lines.extend(f"        {failure}" for failure in result.failures)
    passed = sum(result.passed for result in results)
    not_run = sum(result.not_run is not None for result in results)
    rest = f", {not_run} not run" if not_run else ""
    lines.append(f"{passed} of {len(results)} scripts passed{rest}")
    return "\n".join(lines) + "\n"


def as_conversation(result: Result) -> str:
    """Return what was said and done, line by line."""
    lines = [f"--- {result.label}"]
    for event in result.events:
        if event["type"] == "turn":
            lines.append(f"{event['role']:>7}: {event['text']}")
        elif event["type"] == "tool_call":
            lines.append(f"         ({event['name']} {json.dumps(event['arguments'])})")
        elif event["type"] == "detected":
            lines.append(f"         (answered by: {event['kind']}, {event['reason']})")
    return "\n".join(lines) + "\n"


def as_json(results: Sequence[Result]) -> str:
    """Return everything that is known about the rehearsals."""
    scripts = [
        {
            "label": result.label,
            "tags": list(result.tags),
            "passed": result.passed,
            "failures": result.failures,
            "not_run": result.not_run,
            "runs": result.runs,
            "passed_runs": result.passed_runs,
            "end_reason": result.reason,
            "seconds": result.seconds,
            "cpu_seconds": result.cpu_seconds,
            "heard": result.heard,
            "replay": result.replay,
            "events": result.events,
        }
        for result in results
    ]
    passed = all(result.passed or result.not_run is not None for result in results)
    return json.dumps({"passed": passed, "scripts": scripts}, indent=2, ensure_ascii=False) + "\n"


def write_junit(path: Path, results: Sequence[Result]) -> None:
    """Write the results as CI systems read them."""
    skipped = sum(result.not_run is not None for result in results)
    failed = sum(bool(result.failures) for result in results)
    suite = ElementTree.Element(
        "testsuite",
        name="rehearsal",
        tests=str(len(results)),
        failures=str(failed),
        skipped=str(skipped),
    )
    for result in results:
        case = ElementTree.SubElement(
            suite, "testcase", name=result.label, time=f"{result.seconds:.3f}"
        )
        if result.not_run is not None:
            ElementTree.SubElement(case, "skipped", message=result.not_run)
        if result.failures:
            failure = ElementTree.SubElement(case, "failure", message=result.failures[0])
            failure.text = "\n".join(result.failures)
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
