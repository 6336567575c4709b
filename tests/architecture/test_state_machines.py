"""docs/architecture.md prints the transitions that the code has."""

from ops.management.commands.document_transitions import ARCHITECTURE_PAGE, updated_page


def test_the_page_has_the_transitions_of_the_code() -> None:
    assert ARCHITECTURE_PAGE.read_text() == updated_page(), "run `make docs`"
