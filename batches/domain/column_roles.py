"""What a list's column may be, beside the phone number and a variable."""

ALTERNATIVE = "alternative_number"
EXTERNAL_ID = "external_id"
PRIORITY = "priority"
ROLES = (ALTERNATIVE, EXTERNAL_ID, PRIORITY)
SINGLE_ROLES = (EXTERNAL_ID, PRIORITY)
"""Roles that one column of a list can have."""
