"""The end of a weekly e-mail, by the link in it: for whoever has the e-mail, without a session."""

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt

from batches.services import saved_reports
from console.forms import Form
from console.views.doors import Door


# Mail programs send the form themselves (RFC 8058), and know no token of ours.
@method_decorator(csrf_exempt, name="dispatch")
class UnsubscribeView(Door):
    """Asks first, because programs that check e-mails open their links."""

    template = "unsubscribe"

    def get(self, request: HttpRequest, token: str = "") -> HttpResponse:
        return self.show(Form(), subscription=saved_reports.find_subscription(token))

    def post(self, request: HttpRequest, token: str = "") -> HttpResponse:
        if subscription := saved_reports.find_subscription(token):
            saved_reports.end_subscription(subscription)
        return self.show(Form(), is_done=subscription is not None)
