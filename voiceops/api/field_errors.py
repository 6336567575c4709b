"""Collects the errors of an object's fields or a list's items.

A module of its own, because parsers need it: REST framework loads them before its views, which
`voiceops.api.errors` needs.
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from rest_framework.exceptions import ErrorDetail, ValidationError

# The code of a detail that stands for errors which are only counted; its message is their number.
ONLY_COUNTED = "only_counted"


class FieldErrors:
    """The errors of an object's fields or a list's items, by name or position.

    Details are kept for as many as a response lists; further errors are only counted, so that a
    body full of mistakes costs no more memory than one with a few.
    """

    def __init__(self) -> None:
        self._details: dict[Any, Any] = {}
        self._uncounted = 0

    def __bool__(self) -> bool:
        return bool(self._details)

    def add(self, name: str | int, detail: Any) -> None:
        """Add the errors of one field, as `ValidationError.detail` has them."""
        if self.is_full:
            self._uncounted += _count_errors(detail)
        else:
            self._details[name] = detail

    def add_unlisted(self, count: int) -> None:
        """Add errors of which only the number is known."""
        self._uncounted += count

    @property
    def is_full(self) -> bool:
        """Whether further errors are only counted."""
        return len(self._details) >= int(settings.MAX_LISTED_ERRORS)

    def as_detail(self) -> dict[Any, Any]:
        """Return the errors in the form of `ValidationError.detail`."""
        if not self._uncounted:
            return dict(self._details)
        rest = ErrorDetail(str(self._uncounted), code=ONLY_COUNTED)
        return {**self._details, "non_field_errors": [rest]}

    def raise_if_any(self) -> None:
        """Raises ValidationError when there are errors."""
        if self._details:
            # The stubs expect names; positions stay integers, as `loc` needs them.
            raise ValidationError(self.as_detail())


def _count_errors(detail: Any) -> int:
    if isinstance(detail, Mapping):
        return sum(map(_count_errors, detail.values()))
    if isinstance(detail, list):
        return sum(map(_count_errors, detail))
    return int(detail) if getattr(detail, "code", "") == ONLY_COUNTED else 1
