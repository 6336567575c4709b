"""What every list has in common, staff's and the API's."""

# Lists that need no exact total count no further: "more than 10,000".
MAX_COUNTED_ROWS = 10_000
