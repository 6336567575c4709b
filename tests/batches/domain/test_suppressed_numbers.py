from datetime import timedelta
from typing import Any

from accounts.models import Workspace
from accounts.services.erased_numbers import add_erased_number
from batches.domain.suppressed_numbers import (
    find_suppressed,
    find_suppressed_targets,
    is_suppressed,
)
from tests import make
from voiceops.core.clock import database_now

ADA, BOB, CAT = "+12025550100", "+12025550101", "+12025550102"


def test_each_workspace_has_its_own_list(ours: Workspace, theirs: Workspace) -> None:
    make.suppression(ours, phone_number=ADA)
    make.suppression(theirs, phone_number=BOB)
    targets = [(workspace.pk, number) for workspace in (ours, theirs) for number in (ADA, BOB)]

    found = find_suppressed_targets(targets)

    assert found == {(ours.pk, ADA), (theirs.pk, BOB)}


def test_expired_suppressions_do_not_count(ours: Workspace) -> None:
    now = database_now()
    make.suppression(ours, phone_number=ADA, expires_at=now - timedelta(seconds=1))
    make.suppression(ours, phone_number=BOB, expires_at=now + timedelta(hours=1))

    assert find_suppressed(ours.pk, [ADA, BOB, CAT]) == {BOB}


def test_erased_numbers_count(ours: Workspace) -> None:
    add_erased_number(ours, ADA)

    assert find_suppressed(ours.pk, [ADA, BOB]) == {ADA}


def test_one_number_is_suppressed_as_it_is_among_many(ours: Workspace, theirs: Workspace) -> None:
    now = database_now()
    make.suppression(ours, phone_number=ADA)
    make.suppression(ours, phone_number=BOB, expires_at=now - timedelta(seconds=1))
    add_erased_number(theirs, CAT)
    add_erased_number(theirs, ADA)
    workspaces, numbers = (ours, theirs), (ADA, BOB, CAT)

    found = {
        (workspace.pk, number)
        for workspace in workspaces
        for number in numbers
        if is_suppressed(workspace.pk, number)
    }

    assert found == {(ours.pk, ADA), (theirs.pk, ADA), (theirs.pk, CAT)}
    targets = [(workspace.pk, number) for workspace in workspaces for number in numbers]
    assert found == find_suppressed_targets(targets)


def test_query_count_is_constant(
    ours: Workspace, theirs: Workspace, django_assert_max_num_queries: Any
) -> None:
    targets = [(workspace.pk, f"+1202555{n:04}") for workspace in (ours, theirs) for n in range(99)]

    with django_assert_max_num_queries(3):  # PostgreSQL's clock, suppressions, erased numbers
        assert find_suppressed_targets(targets) == set()
