from django.urls import URLPattern, URLResolver
from rest_framework.routers import SimpleRouter

from telephony.views import numbers

router = SimpleRouter(trailing_slash=False)
router.register("phone-numbers", numbers.PhoneNumberViewSet, basename="phone-number")
router.register("sip-trunks", numbers.SipTrunkViewSet, basename="sip-trunk")

urlpatterns: list[URLPattern | URLResolver] = [
    *router.urls,
]
