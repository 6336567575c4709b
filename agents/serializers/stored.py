"""Objects of an agent's configuration, stored as they are given, without defaults."""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from rest_framework.fields import empty

from voiceops.api.errors import field_error
from voiceops.api.field_errors import FieldErrors
from voiceops.api.serializers import StrictSerializer, Text

# The form of RFC 5646; whether the subtags exist is not checked.
LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")


class VerbatimText(Text):
    """Text that is stored verbatim, with the white space at its ends."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def run_validation(self, data: Any = empty) -> Any:
        if isinstance(data, str) and not data.strip() and not self.allow_blank:
            self.fail("blank")
        return super().run_validation(data)


class LanguageTag(Text):
    """A BCP 47 tag such as en-US."""

    def to_internal_value(self, data: Any) -> str:
        """Raises ValidationError when the text does not have the form of a tag."""
        text = super().to_internal_value(data)
        if not LANGUAGE_TAG.fullmatch(text):
            raise field_error(
                "value_error", "invalid language, expected a BCP 47 tag such as en-US"
            )
        return text


class StoredSerializer(StrictSerializer):
    # An object in a JSON column, returned as it is stored.

    is_stored: ClassVar[bool] = True  # read by voiceops.api.schema

    def to_representation(self, instance: Any) -> Any:
        return instance


def require_unique_names(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the items. Raises ValidationError at the position of a name that is given twice."""
    names: set[str] = set()
    errors = FieldErrors()
    for position, item in enumerate(items):
        if item["name"] in names:
            duplicate = field_error("value_error", "this name is given twice")
            errors.add(position, {"name": duplicate.detail})
        names.add(item["name"])
    errors.raise_if_any()
    return list(items)
