"""docs/number-zones.md prints the time zones that numbers have."""

from ops.management.commands.document_number_zones import NUMBER_ZONES_PAGE, written_page


def test_the_page_has_the_zones_of_the_libraries() -> None:
    assert NUMBER_ZONES_PAGE.read_text() == written_page(), "run `make docs`"
