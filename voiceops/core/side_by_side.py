"""A replayed call beside the call as it was, in lines for a terminal.

It is shared by the control plane and the voice worker, which has no Django.
"""

from collections.abc import Iterator, Mapping
from typing import Any


def side_by_side(replay: Mapping[str, Any], end_reason: str) -> Iterator[str]:
    """Yield what both agents said and did after each thing that the callee did.

    `replay` is that of a rehearsal's result, `end_reason` how the call ends now.
    """
    yield f"--- {replay['call_id']}: differs in {', '.join(replay['differences']) or 'nothing'}"
    for exchange in replay["exchanges"]:
        yield f"  callee: {_describe_act(exchange['callee'])}"
        then, now = (_describe_answer(exchange[side]) for side in ("then", "now"))
        if exchange["different"]:
            yield f"    then: {then}"
            yield f"     now: {now}"
        else:
            yield f"    both: {then}"
    then_reason = replay["then"]["end_reason"]
    yield f"  ended by {then_reason or 'nothing'} then, by {end_reason or 'nothing'} now"


def _describe_act(callee: Mapping[str, Any]) -> str:
    if callee["hangs_up"]:
        return "(hangs up)"
    if callee["silence"]:
        return f"({callee['silence']:g} s of silence)"
    if callee["digits"]:
        return f"(presses {callee['digits']})"
    return str(callee["says"] or "(answers)")


def _describe_answer(answer: Mapping[str, Any]) -> str:
    tools = [f"({tool['name']} {tool['arguments']})" for tool in answer["tools"]]
    return " ".join([*answer["says"], *tools]) or "(nothing)"
