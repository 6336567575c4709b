"""What a list's column may be, beside the phone number and a variable."""

ALTERNATIVE = "alternative_number"
EXTERNAL_ID = "external_id"
PRIORITY = "priority"
TIMEZONE = "timezone"
POSTAL_CODE = "postal_code"
ZONE_ROLES = (TIMEZONE, POSTAL_CODE)
"""Roles of columns that give recipients their time zone."""
ROLES = (ALTERNATIVE, EXTERNAL_ID, PRIORITY, *ZONE_ROLES)
SINGLE_ROLES = (EXTERNAL_ID, PRIORITY, *ZONE_ROLES)
"""Roles that one column of a list can have."""
