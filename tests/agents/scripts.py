"""Scripts, and a stand-in for the program that plays them, and replays calls."""

import sys
from pathlib import Path

SCRIPT = {
    "label": "moves",
    "tags": ["smoke", "dates"],
    "answers": "human",
    "caller": [
        "Yes, this is Maria.",
        {"says": "Friday?", "expect": {"tool": "move", "arguments": {"day": "Friday"}}},
        {"silence": 10},
        {"hangs_up": True},
    ],
    "tools": {"move": {"result": "moved"}},
    "end": {"by": "callee", "within_turns": 6},
    "never": ["price", "/\\bhuman\\b/"],
    "expect": {"detected": "human", "message_left": False, "latency": {"p95": 1}},
}
CONTENT = {"variables": {"name": "Maria"}, "mode": "text", "scripts": [SCRIPT]}
REPLAY = {
    "call_id": "…",
    "then": {
        "agent_version": 1,
        "end_reason": "callee_hangup",
        "turns": [{"role": "callee", "text": "I am Ada"}],
        "tools": [],
    },
    "exchanges": [
        {
            "callee": {"says": "I am Ada", "digits": None, "silence": None, "hangs_up": False},
            "then": {"says": [], "tools": []},
            "now": {"says": ["Hello!"], "tools": []},
            "different": True,
        }
    ],
    "differences": ["words", "end_reason"],
}
# A stand-in for the program: it answers as `python -m voice rehearse --json` does, and `replay`.
PROGRAM = """#!{python}
import json, os, sys, time
file = sys.argv[4]
given = json.load(open(file))
assert oct(os.stat(os.path.dirname(file)).st_mode & 0o777) == "0o700"
{act}
names = [sys.argv[at + 1] for at, word in enumerate(sys.argv) if word == "--script"]
replay = {replay}
items = given.get("scripts") or [
    dict(label=c["call_id"], tags=[], replay=dict(replay, call_id=c["call_id"]))
    for c in given["calls"]
]
chosen = [s for s in items if not names or {{s["label"], *s["tags"]}} & {{*names}}]
scripts = [
    dict(replay=s.get("replay"), label=s["label"], tags=s["tags"],
         passed={passed}, failures=[] if {passed} else ["No"],
         end_reason="agent_hangup", seconds=0.1, cpu_seconds=0.1, heard=[],
         events=[dict(type="turn", role="agent", text=given["agent"]["first_message"]),
                 dict(type="tool_call", name="move", arguments=dict(day="Friday")),
                 dict(type="usage")])
    for s in chosen
]
print(json.dumps(dict(passed={passed}, scripts=scripts)))
sys.exit(0 if {passed} else 1)
"""


def install_program(path: Path, *, passed: bool = True, act: str = "") -> None:
    """Write a stand-in that passes or fails every script, or does something else first."""
    path.write_text(PROGRAM.format(python=sys.executable, passed=passed, act=act, replay=REPLAY))
    path.chmod(0o700)
