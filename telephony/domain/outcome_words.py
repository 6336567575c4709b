"""The outcomes of calls in words, which every page and e-mail uses."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

OUTCOME_NAMES: dict[str, str | Promise] = {
    "answered": _("Answered"),
    "voicemail": _("Voicemail"),
    "screened": _("Call screening"),
    "no_answer": _("No answer"),
    "busy": _("Busy"),
    "declined": _("Declined"),
    "blocked": _("Blocked"),
    "invalid_number": _("Number does not exist"),
    "carrier_error": _("Carrier error"),
    "trunk_error": _("Line error"),
    "throttled": _("Carrier was full"),
    "cancelled": _("Cancelled"),
    "unknown": _("In doubt"),
}
