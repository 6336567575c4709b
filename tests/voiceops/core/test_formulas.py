import pytest

from voiceops.core.formulas import escape_formula, unescape_formula


@pytest.mark.parametrize("text", ["=1+1", "-2", "@SUM(A1)", "\t=1", "+1 202 555 0186", "plain", ""])
def test_escaped_text_can_be_restored(text: str) -> None:
    assert unescape_formula(escape_formula(text)) == text


@pytest.mark.parametrize("cell", ["'quoted'", "'", 12.5, True, None])
def test_cells_that_were_not_escaped_stay_unchanged(cell: object) -> None:
    assert unescape_formula(cell) == cell


def test_phone_numbers_are_not_escaped() -> None:
    assert escape_formula("+12025550186") == "+12025550186"
