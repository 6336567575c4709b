"""What a list's column may be, beside the phone number and a variable."""

ALTERNATIVE = "alternative_number"
EXTERNAL_ID = "external_id"
PRIORITY = "priority"
TIMEZONE = "timezone"
ROLES = (ALTERNATIVE, EXTERNAL_ID, PRIORITY, TIMEZONE)
SINGLE_ROLES = (EXTERNAL_ID, PRIORITY, TIMEZONE)
"""Roles that one column of a list can have."""
