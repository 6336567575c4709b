"""What is read off the source itself."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = (
    "accounts",
    "agents",
    "batches",
    "ops",
    "sandbox",
    "telephony",
    "voiceops",
    "webhooks",
    "worker",
)
MAX_FILE_LINES = 400
# Files that are still to be split; each may only shrink. The list ends empty.
STILL_TOO_LONG = {
    "telephony/domain/call_states.py": 450,
    "tests/accounts/auth/test_login.py": 450,
    "tests/admin/test_pages_of_every_model.py": 410,
    "tests/telephony/calls/test_api.py": 560,
    "tests/telephony/calls/test_inbound.py": 450,
    "tests/telephony/calls/test_reports.py": 560,
    "tests/telephony/numbers/test_purchase.py": 560,
    "tests/telephony/numbers/test_register.py": 460,
}
ACROSS = re.compile(
    r"\.unscoped\b(?! =)|\bUser\.objects\b|_default_manager|_base_manager|\.raw\(|\.cursor\("
)
# These may look across workspaces, each knowingly. HTTP views never may.
KNOWING = re.compile(
    r"accounts/(audit|tenancy)\.py"
    r"|accounts/(auth/(principal|authentication|sessions|attempt_limits)|api/\w+)\.py"
    r"|accounts/services/\w+\.py|agents/services\.py"  # rows lock and look up themselves
    r"|accounts/views/\w+\.py"  # people, who belong to no workspace
    r"|(accounts|agents|telephony|batches|webhooks)/admin(/\w+)?\.py"  # staff
    r"|accounts/staff/login\.py"  # who tries to log in there
    r"|(accounts|agents|telephony|batches|webhooks)/models(/\w+)?\.py"  # a row updating itself
    # Workers, which serve every workspace.
    r"|(telephony|batches|webhooks)/(?!views|serializers)\w+(/\w+)*\.py"
    r"|worker/[\w/]+\.py"
    r"|\w+/management/commands/\w+\.py"
    r"|ops/(?!.*views)[\w/]+\.py"
    # Looks the batch up anew that the view has already found in its workspace.
    r"|batches/views/progress\.py"
    r"|voiceops/core/(clock|statement_timeouts|isolation)\.py"
)


def sources(*folders: str) -> list[Path]:
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if "migrations" not in path.parts)


def looks_across(path: Path) -> bool:
    """A `queryset=` does not count: WorkspaceRelatedField narrows it, and the walk sees that no
    other field is used.
    """
    return any(
        ACROSS.search(line) and "queryset=" not in line for line in path.read_text().splitlines()
    )


def test_no_file_is_too_long() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in sources(*APPS, "tests")
    }

    assert {
        name: length
        for name, length in lengths.items()
        if length > STILL_TOO_LONG.get(name, MAX_FILE_LINES)
    } == {}


def test_only_these_files_look_across_workspaces() -> None:
    looking = [str(path.relative_to(ROOT)) for path in sources(*APPS) if looks_across(path)]

    assert [name for name in looking if not KNOWING.fullmatch(name)] == []
    assert looking
