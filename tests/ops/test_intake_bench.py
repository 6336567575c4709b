"""The benchmarks of intake and of a whole run are not run by CI; their pieces fit together."""

from collections import Counter
from pathlib import Path

import pytest
from django.test import Client

from ops.bench.absolute_goals import AbsoluteGoal
from ops.bench.intake_events import WEBHOOK_PATH, Post, create_calls, posts_about
from ops.bench.intake_load import state_of
from ops.bench.whole_run import WholeRun, write_list
from telephony.models import Stage
from telephony.services.inbox import apply_pending_events
from voiceops.core.errors import DomainError

CALLS = 12


def send(post: Post) -> int:
    headers = {"Authorization": post.authorization}
    return (
        Client().post(post.path, post.body, content_type=post.content_type, headers=headers)
    ).status_code


def apply_all() -> None:
    while apply_pending_events():
        pass


def test_every_event_is_accepted_and_every_answered_call_ends(db: None) -> None:
    calls = create_calls(CALLS)
    posts = posts_about(calls, seed=1)

    statuses = Counter(send(post) for post in posts)
    apply_all()

    states = state_of(calls)
    assert statuses == {200: len(posts)}
    assert {state[0] for state in states} == {Stage.ENDED, Stage.RINGING}
    assert {state[2] for state in states if state[0] == Stage.ENDED} == {"callee_hangup"}
    webhooks = [post for post in posts if post.path == WEBHOOK_PATH]
    assert len({post.body for post in webhooks}) == 8 * CALLS < len(webhooks)


def test_the_same_seed_ends_in_the_same_state_for_other_calls(db: None) -> None:
    states = []
    for _ in range(2):
        calls = create_calls(CALLS)
        for post in posts_about(calls, seed=7):
            send(post)
        apply_all()
        states.append(state_of(calls))

    assert states[0] == states[1]


def test_a_list_has_as_many_different_numbers_that_answer(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"

    write_list(file, 5000)

    head, *rows = file.read_text().splitlines()
    numbers = {row.partition(",")[0] for row in rows}
    assert (head, len(rows), len(numbers)) == ("phone,first_name", 5000, 5000)
    assert {int(number[-2:]) for number in numbers} == set(range(40))
    with pytest.raises(DomainError, match="There are only"):
        write_list(file, 40_000)


def test_the_table_of_a_run_adds_up() -> None:
    run = WholeRun(calls=100, seconds=5.0, cpu={"web": 12.0, "worker": 6.5})

    assert run.calls_per_second == 20
    assert run.lines() == [
        "| part | CPU ms per call |",
        "|---|---|",
        "| web | 12.0 |",
        "| worker | 6.5 |",
        "| all | 18.5 |",
    ]


def test_an_absolute_goal_is_held_or_missed_in_words() -> None:
    speed = AbsoluteGoal("Events", 2_000, "per second", "at least")
    latency = AbsoluteGoal("p99", 60, "ms", "at most")

    assert [speed.line(2000.4), speed.line(1375.3), latency.line(60.04), latency.line(224.2)] == [
        "Events: 2,000 per second, goal at least 2,000: held",
        "Events: 1,375 per second, goal at least 2,000: missed",
        "p99: 60.0 ms, goal at most 60: missed",
        "p99: 224 ms, goal at most 60: missed",
    ]
