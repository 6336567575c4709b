"""The documentation prints the transitions and the evidence that the code has."""

from pathlib import Path

import pytest

from ops.management.commands.document_transitions import PAGES, updated_page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_page_has_the_tables_of_the_code(page: Path) -> None:
    assert page.read_text() == updated_page(page), "run `make docs`"
