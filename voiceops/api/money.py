"""Amounts of money in bodies: costs that were counted, and budgets."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from voiceops.api.errors import field_error
from voiceops.api.fields import parse_form_json, reads_text
from voiceops.api.serializers import Number, StrictSerializer, Text
from voiceops.core.prices import currency

MIN_BUDGET = 0.0001
MAX_BUDGET = 1_000_000_000
BUDGET_SCHEMA = {
    "oneOf": [
        {"type": "number", "minimum": MIN_BUDGET, "maximum": MAX_BUDGET},
        {
            "type": "object",
            "required": ["amount"],
            "additionalProperties": False,
            "properties": {
                "amount": {"type": "number", "minimum": MIN_BUDGET, "maximum": MAX_BUDGET},
                "currency": {"type": "string"},
            },
        },
    ]
}


class CostSerializer(serializers.Serializer[Any]):
    """An amount of money."""

    amount = serializers.FloatField()
    currency = serializers.CharField()


class WrittenBudgetSerializer(StrictSerializer):
    """A budget that names its currency."""

    amount = Number(min_value=MIN_BUDGET, max_value=MAX_BUDGET)
    currency = Text(required=False)

    def validate_currency(self, value: str) -> str:
        """Raises ValidationError (422) for another currency than that of the costs."""
        if value != currency():
            raise field_error("value_error", f"costs are counted in {currency()}")
        return value


@extend_schema_field(BUDGET_SCHEMA)
class BudgetAmount(serializers.Field[Any, Any, Any, Any]):
    """A number in the price table's currency, or `{amount, currency}`; answered as written."""

    def to_internal_value(self, data: Any) -> Any:
        """Raises ValidationError (422)."""
        if reads_text(self):
            data = parse_form_json(data)
        is_object = isinstance(data, Mapping)
        written = WrittenBudgetSerializer(data=data if is_object else {"amount": data})
        if is_object:
            written.is_valid(raise_exception=True)
            return dict(written.validated_data)
        amount = written.fields["amount"]
        return amount.run_validation(data)

    def to_representation(self, value: Any) -> Any:
        return value
