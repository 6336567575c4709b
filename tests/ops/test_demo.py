import csv
import io
import stat
from pathlib import Path
from typing import Any

import phonenumbers
import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from ops.demo import workspace
from ops.demo.batch_run import RunRequest
from ops.demo.outcomes import ResultRow, outcome_table, read_results
from ops.demo.progress import Progress
from ops.management.commands.demo import SAMPLE_LIST, Command
from ops.serving.supervisor import Supervisor

HEADER = (
    "phone,status,status,outcome,reason,attempts,sip_status_code,called_at,duration_seconds,"
    "call_id\n"
)
COUNTS = {
    "total": 4,
    "pending": 1,
    "dialing": 1,
    "in_call": 0,
    "retrying": 0,
    "completed": 1,
    "failed": 0,
    "skipped": 0,
    "cancelled": 0,
    "review": 1,
    "rejected": 2,
}
PROGRESS: dict[str, Any] = {"status": "running", "counts": COUNTS, "calls_per_second": 12.34}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_sample_has_one_valid_number_for_each_pair_of_last_digits() -> None:
    with SAMPLE_LIST.open(encoding="utf-8", newline="") as file:
        numbers = [row["phone"] for row in csv.DictReader(file)]

    assert [number[-2:] for number in numbers] == [f"{pair:02}" for pair in range(100)]
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(number)) for number in numbers)
    assert all(number[-7:-2] == "55501" for number in numbers), (
        "555-0100 to 555-0199 are fictitious"
    )


def test_uploaded_columns_named_like_a_result_column_are_ignored(tmp_path: Path) -> None:
    file = tmp_path / "results.csv"
    file.write_text(
        HEADER
        + "+13035550100,vip,completed,answered,,1,200,,,\n+13035550101,,skipped,,duplicate,0,,,,\n"
    )

    rows = read_results(file)

    assert rows == [ResultRow("completed", "answered", ""), ResultRow("skipped", "", "duplicate")]
    assert [row.label for row in rows] == ["answered", "skipped (duplicate)"]


def test_a_file_without_the_result_columns_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "results.csv"
    file.write_text("phone,status\n")

    with pytest.raises(ValueError, match=r"does not end in the columns status, outcome"):
        read_results(file)


def test_the_table_has_a_line_for_each_outcome_the_most_frequent_first() -> None:
    rows = [
        ResultRow("completed", "answered", ""),
        ResultRow("completed", "answered", ""),
        ResultRow("failed", "busy", ""),
        ResultRow("review", "", ""),
    ]

    assert outcome_table(rows, rejected=1).splitlines() == [
        "  outcome                          recipients  share",
        "  answered                                  2  40.0%  ████████████",
        "  busy                                      1  20.0%  ██████",
        "  in review                                 1  20.0%  ██████",
        "  rejected (not a number to call)           1  20.0%  ██████",
        "  total                                     5",
    ]


def test_the_table_of_an_empty_list_has_a_total_only() -> None:
    assert outcome_table([], rejected=0).splitlines() == [
        "  outcome  recipients  share",
        "  total             0",
    ]


def test_progress_without_a_terminal_is_printed_rarely_but_always_at_the_end() -> None:
    out = io.StringIO()
    progress = Progress(out)

    progress.update(PROGRESS)
    progress.update({**PROGRESS, "counts": {**COUNTS, "pending": 0, "dialing": 0, "completed": 3}})
    progress.close()

    (line,) = out.getvalue().splitlines()
    assert line.startswith("100%|")
    assert line.endswith(
        "| 4/4 recipients [00:00, 0 dialing, 0 in call, 1 review, 2 rejected, 12.3 calls/s]",
    )


def test_progress_on_a_terminal_is_a_moving_bar() -> None:
    out = Terminal()
    progress = Progress(out)

    progress.update(PROGRESS)
    progress.close()

    assert " 50%|" in out.getvalue()
    assert "| 2/4 recipients [" in out.getvalue()


def test_the_demo_users_password_is_generated_once_and_readable_by_its_owner_only(
    tmp_path: Path,
) -> None:
    file = tmp_path / "demo.json"

    first = workspace.credentials(file)
    second = workspace.credentials(file)

    assert first == second
    assert len(first[1]) >= 12
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_demo_refuses_a_missing_list_in_one_line() -> None:
    with pytest.raises(CommandError, match=r"^There is no file nowhere\.csv$"):
        call_command("demo", "nowhere.csv")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([".", "--country", "US"], r"^\. is a directory$"),
        (
            ["--country", "xx"],
            r"^Unknown country code XX\. Use two letters, for example COUNTRY=US$",
        ),
    ],
)
def test_a_list_that_cannot_be_called_is_refused_before_anything_starts(
    arguments: list[str], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("demo", *arguments)


def test_ctrl_c_during_the_start_makes_no_call(capsys: pytest.CaptureFixture[str]) -> None:
    supervisor = Supervisor([], report=lambda sentence: None)
    supervisor.stopping = True

    with pytest.raises(CommandError, match=r"^Stopped before the batch had ended$"):
        Command().run(
            supervisor, RunRequest("http://127.0.0.1:9", Path(), SAMPLE_LIST, None, None), once=True
        )

    assert capsys.readouterr().out == ""


def test_the_demo_calls_nobody_through_a_real_livekit(settings: Settings) -> None:
    settings.USES_SANDBOX = False

    with pytest.raises(CommandError, match=r"LIVEKIT_URL names another server"):
        call_command("demo")
