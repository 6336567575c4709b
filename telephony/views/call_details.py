from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Role
from telephony.models import CallEvent, Turn
from telephony.serializers.calls import (
    AnalysisSerializer,
    EventSerializer,
    RecordingLinkSerializer,
    TranscriptSerializer,
    TurnSerializer,
)
from telephony.services.analysis import get_analysis
from telephony.services.recording_files import create_recording_link
from telephony.views.calls import BaseCallViewSet
from voiceops.api.serializers import WalkQuery

LATER_TURN_COLUMNS = ("ended_at", "language", "latency")  # absent where the agent reports none


def _without_unreported(turn: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in turn.items()
        if value is not None or name not in LATER_TURN_COLUMNS
    }


class CallDetailsViewSet(BaseCallViewSet):
    """A call's timeline, transcript, analysis and recording."""

    serializer_class = EventSerializer
    query_class = WalkQuery
    slow_actions = ("recording",)
    required_roles = dict.fromkeys(("events", "transcript", "analysis", "recording"), Role.MEMBER)

    @extend_schema(parameters=[WalkQuery], responses=EventSerializer(many=True))
    @action(detail=True)
    def events(self, request: Request, pk: str) -> Response:
        """The call's timeline, oldest event first."""
        return self.read_page(
            EventSerializer,
            lambda rows, query: rows.order_by("at", "pk"),
            model=CallEvent,
            call=self.read_columns("pk").pk,
        )

    @extend_schema(responses=TranscriptSerializer)
    @action(detail=True)
    def transcript(self, request: Request, pk: str) -> Response:
        """What was spoken on the call, in order."""
        turns = self.read_rows(
            TurnSerializer,
            lambda rows: rows.order_by("started_at", "pk"),
            model=Turn,
            call=self.read_columns("pk").pk,
        )
        return Response({"turns": [_without_unreported(turn) for turn in turns]})

    @extend_schema(responses=AnalysisSerializer)
    @action(detail=True)
    def analysis(self, request: Request, pk: str) -> Response:
        """The agent's analysis of the call."""
        return Response(get_analysis(self.get_object()))

    @extend_schema(responses=RecordingLinkSerializer)
    @action(detail=True)
    def recording(self, request: Request, pk: str) -> Response:
        """A link to the recording, which works without credentials until it expires."""
        url, expires_at = create_recording_link(call=self.get_object(), principal=self.principal)
        return Response({"url": url, "expires_at": expires_at})
