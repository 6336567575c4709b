"""How staff edit calling hours and retries: days to tick, hours, a clock."""

from accounts.staff.row_fields import RowsWidget, choice, text, ticks, words
from voiceops.core.time_zones import zone_names

NAMED_WEEKDAYS = (
    (1, "Mon"),
    (2, "Tue"),
    (3, "Wed"),
    (4, "Thu"),
    (5, "Fri"),
    (6, "Sat"),
    (7, "Sun"),
)
CLOCK_OF_THE_CALLED = ("recipient", "of the person who is called")


def window_widget() -> RowsWidget:
    """Return the widget of a calling window; without hours there is none."""
    zones = [(name, name.replace("_", " ")) for name in sorted(zone_names())]
    return RowsWidget(
        ticks("days", "Days", NAMED_WEEKDAYS),
        text("start", "From, as 09:00"),
        text("end", "Until; 24:00 is midnight"),
        inside="spans",
        outer=[
            choice("timezone", "By the clock", [CLOCK_OF_THE_CALLED, *zones]),
            text("holidays", "Closed on holidays of: recipient, or a country as DE"),
            words("closed_dates", "Closed on these dates, as 2026-12-24"),
        ],
        needs_rows=True,
        add="Add hours",
    )
