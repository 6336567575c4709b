"""Calls on which an agent reports, and their timelines."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import Workspace
from telephony.models import Call, Stage
from tests import make


def sent(of: Workspace, **fields: Any) -> Call:
    return make.call(
        of, **{"stage": Stage.INTENT, "intent_at": timezone.now() - timedelta(seconds=5), **fields}
    )


def talking(of: Workspace, **fields: Any) -> Call:
    then = timezone.now() - timedelta(seconds=5)
    times = {"intent_at": then, "dialed_at": then, "callee_joined_at": then, "answered_at": then}
    call = make.call(of, stage=Stage.IN_PROGRESS, **{**times, **fields})
    Call.unscoped.filter(pk=call.pk).update(created_at=then)
    return call


def timeline(call: Call) -> list[tuple[str, str]]:
    return list(call.events.order_by("at", "pk").values_list("type", "text"))
