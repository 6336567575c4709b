from collections.abc import Iterator

import pytest
from django.db import connection

from tests.recipient_counts import actual_counts, kept_counts


@pytest.fixture(autouse=True)
def counts_are_right(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test has done to recipients, their counts have followed."""
    used = {"db", "transactional_db"} & set(request.fixturenames)
    for fixture in used:
        request.getfixturevalue(fixture)  # so that it is there when this one ends
    yield
    if used and not connection.needs_rollback:
        assert kept_counts() == actual_counts()
