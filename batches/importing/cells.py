"""Cells of text files as people mean them: without blanks around them and without our guard.

Most lists need neither, and their cells are a dozen million: so a whole block of lines is checked
first, by searches that cost less than splitting it.
"""

from voiceops.core.formulas import GUARD, unescape_formula

ASCII_BLANKS = " \t\v\f"
OTHER_BLANKS = (
    "\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


def clean_cell(cell: str) -> str:
    """Return a cell's value: no blanks around it, and no apostrophe of an earlier export."""
    text = cell.strip()
    # `unescape_formula` would be a call for every cell.
    return unescape_formula(text) if text[:1] == GUARD else text


def clean_cells(cells: list[str]) -> list[str]:
    """Return the values of a row's cells."""
    return [clean_cell(cell) for cell in cells]


class BlockCheck:
    """Whether blocks of lines hold a cell that `clean_cell` would change, in doubt yes."""

    def __init__(self, delimiter: str) -> None:
        edges = (delimiter, '"', "\n")
        blanks = [blank for blank in ASCII_BLANKS if blank != delimiter]
        before = [edge + mark for edge in edges for mark in (*blanks, GUARD)]
        after = [blank + edge for blank in blanks for edge in (*edges, "\r")]
        self._marks = (*before, *after)

    def may_need_cleaning(self, lines: list[str]) -> bool:
        """Whether cells of these lines may have blanks around them or a guard."""
        text = "\n" + "".join(lines)
        if any(mark in text for mark in self._marks) or text[-1] in ASCII_BLANKS:
            return True
        return not text.isascii() and any(blank in text for blank in OTHER_BLANKS)
