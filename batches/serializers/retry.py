"""The retry settings of a batch."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer

from batches.dialing.retry_policy import (
    MAX_RETRY_ATTEMPTS,
    MAX_RETRY_DELAY_MINUTES,
    RETRYABLE_OUTCOMES,
)
from batches.serializers.fields import Minutes
from telephony.models import Outcome
from voiceops.api.serializers import (
    Choice,
    Integer,
    ListField,
    Number,
    StrictSerializer,
)


class RetryDelays(ListField):
    """Minutes until the first retry, the second, and so on; the last one applies to all further."""

    def __init__(self, **kwargs: Any) -> None:
        minutes = Minutes(min_value=0, max_value=MAX_RETRY_DELAY_MINUTES)
        super().__init__(child=minutes, min_length=1, max_length=MAX_RETRY_ATTEMPTS, **kwargs)


@extend_schema_serializer(component_name="Ladders")  # the name it was published under
class OutcomeDelaysSerializer(StrictSerializer):
    """Delays of their own for outcomes that may be retried."""

    def get_fields(self) -> dict[str, Any]:
        return {outcome: RetryDelays(required=False) for outcome in RETRYABLE_OUTCOMES}


class NextDaySerializer(StrictSerializer):
    after_attempts = Integer(min_value=1, max_value=MAX_RETRY_ATTEMPTS, default=1)
    shift_hours = Number(min_value=-12, max_value=12, default=0.0)


class RetrySerializer(StrictSerializer):
    """Which outcomes are called again, and when.

    Wrong numbers, refusals and suppressed numbers are never called again, even when named.
    """

    max_attempts = Integer(min_value=1, max_value=MAX_RETRY_ATTEMPTS, default=1)
    delay_minutes = RetryDelays(default=[30])
    outcomes = ListField(child=Choice(choices=Outcome.values), default=["busy", "no_answer"])
    by_outcome = OutcomeDelaysSerializer(required=False)
    next_day = NextDaySerializer(required=False)
