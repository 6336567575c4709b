"""Twilio's pricing API, v1: what numbers of a country cost a month."""

from dataclasses import dataclass

from aiohttp import web

from sandbox.twilio.account import PRICES_USD
from sandbox.twilio.errors import not_found
from sandbox.twilio.http_api import Response, TwilioApi, ok
from sandbox.twilio.inventory import NUMBER_TYPES

# As Twilio writes the types here.
PRICED_TYPES = {"Local": "local", "TollFree": "toll free", "Mobile": "mobile"}


@dataclass
class PricingApi:
    def add_to(self, api: TwilioApi) -> None:
        api.add("GET", "/v1/PhoneNumbers/Countries/{country}", self.fetch_country)

    async def fetch_country(self, request: web.Request, form: dict[str, str]) -> Response:
        """Raises TwilioError for a country without numbers."""
        country = request.match_info["country"]
        if country not in NUMBER_TYPES:
            raise not_found(request.path)
        prices = [
            {
                "number_type": PRICED_TYPES[kind],
                "base_price": f"{PRICES_USD[kind]:.2f}",
                "current_price": f"{PRICES_USD[kind]:.2f}",
            }
            for kind in NUMBER_TYPES[country]
        ]
        return ok(
            {
                "country": country,
                "iso_country": country,
                "phone_number_prices": prices,
                "price_unit": "USD",
                "url": f"https://pricing.twilio.com/v1/PhoneNumbers/Countries/{country}",
            }
        )
