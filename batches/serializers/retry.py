from typing import Any

from batches.dialing.retry_policy import MAX_ATTEMPTS, MAX_DELAY_MINUTES, RETRYABLE
from batches.serializers.fields import Minutes
from telephony.models import Outcome
from voiceops.api.serializers import (
    Choice,
    Integer,
    ListField,
    Number,
    StrictSerializer,
)

MAX_SCHEDULE_DAYS = 3650  # for a scheduled start


class RetryDelays(ListField):
    """Minutes until the first retry, the second, and so on; the last holds for all that follow."""

    def __init__(self, **kwargs: Any) -> None:
        minutes = Minutes(min_value=0, max_value=MAX_DELAY_MINUTES)
        super().__init__(child=minutes, min_length=1, max_length=MAX_ATTEMPTS, **kwargs)


class LaddersSerializer(StrictSerializer):
    """Ladders of their own for outcomes that may be retried."""

    def get_fields(self) -> dict[str, Any]:
        return {outcome: RetryDelays(required=False) for outcome in RETRYABLE}


class NextDaySerializer(StrictSerializer):
    after_attempts = Integer(min_value=1, max_value=MAX_ATTEMPTS, default=1)
    shift_hours = Number(min_value=-12, max_value=12, default=0.0)


class RetrySerializer(StrictSerializer):
    """Whom to call again. A wrong number, a refusal and a suppressed number are never called again,
    also when named.
    """

    max_attempts = Integer(min_value=1, max_value=MAX_ATTEMPTS, default=1)
    delay_minutes = RetryDelays(default=[30])
    outcomes = ListField(child=Choice(choices=Outcome.values), default=["busy", "no_answer"])
    by_outcome = LaddersSerializer(required=False)
    next_day = NextDaySerializer(required=False)
