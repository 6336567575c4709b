"""Why a row with a good number is not called, as `Recipient.reason`."""

DUPLICATE = "duplicate"
SUPPRESSED = "suppressed"
MISSING_VARIABLE = "missing_variable"
