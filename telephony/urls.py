from django.urls import URLPattern, URLResolver, path
from rest_framework.routers import SimpleRouter

from telephony.views import numbers
from telephony.views.agent_reports import report
from telephony.views.call_details import CallDetailsViewSet
from telephony.views.calls import CallViewSet
from telephony.views.livekit_webhook import livekit_webhook
from telephony.views.recordings import recording_file
from telephony.views.voice_workers import voice_worker_report

router = SimpleRouter(trailing_slash=False)
router.register("calls", CallViewSet, basename="call")
router.register("calls", CallDetailsViewSet, basename="call-details")
router.register("phone-numbers", numbers.PhoneNumberViewSet, basename="phone-number")
router.register("sip-trunks", numbers.SipTrunkViewSet, basename="sip-trunk")

urlpatterns: list[URLPattern | URLResolver] = [
    path("livekit/webhook", livekit_webhook),
    path("calls/<str:pk>/report", report),
    path("voice-workers/report", voice_worker_report),
    path("recordings/<str:token>", recording_file),
    *router.urls,
]
