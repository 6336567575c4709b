"""Which files may read across workspaces."""

import re
from pathlib import Path

from tests.architecture.source import APPS, name_of, sources

ACROSS = re.compile(
    r"\.unscoped\b(?! =)|\bUser\.objects\b|_default_manager|_base_manager|\.raw\(|\.cursor\("
)
# These may read across workspaces, each knowingly. HTTP views never may.
KNOWING = re.compile(
    r"accounts/(audit|tenancy)\.py"
    r"|accounts/(auth/(principal|authentication|sessions|attempt_limits)|api/\w+)\.py"
    r"|accounts/services/\w+\.py|agents/(services|rehearsing/\w+)\.py"  # rows look up themselves
    r"|accounts/views/\w+\.py"  # users, who belong to no workspace
    r"|(accounts|agents|telephony|batches|webhooks)/admin(/\w+)?\.py"  # staff
    # Before a workspace is known; staff.
    r"|accounts/staff/(audit_words|login|filters|lists|visibility)\.py"
    r"|(accounts|agents|telephony|batches|webhooks)/models(/\w+)?\.py"  # a row updating itself
    # Workers, which serve every workspace.
    r"|(telephony|batches|webhooks)/(?!views|serializers)\w+(/\w+)*\.py"
    r"|worker/[\w/]+\.py"
    r"|\w+/management/(commands/)?\w+\.py"
    r"|ops/(?!.*views)[\w/]+\.py"
    # Reads a batch again that the view has already found in its workspace.
    r"|batches/views/progress\.py"
    # Run the querysets of files that are named here themselves.
    r"|voiceops/db/compiled_(query|writes)\.py"
    r"|voiceops/core/(clock|statement_timeouts|isolation)\.py"
)


def reads_across(path: Path) -> bool:
    """Whether a file reads rows of every workspace.

    A `queryset=` does not count: WorkspaceRelatedField narrows it, and the walk over all routes
    checks that no other field is used.
    """
    return any(
        ACROSS.search(line) and "queryset=" not in line for line in path.read_text().splitlines()
    )


def test_only_these_files_read_across_workspaces() -> None:
    across = [name_of(path) for path in sources(*APPS) if reads_across(path)]

    assert [name for name in across if not KNOWING.fullmatch(name)] == []
    assert across
