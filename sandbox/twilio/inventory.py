"""Phone numbers that can be bought, and what Twilio requires for them.

By default the inventory consists of numbers reserved for fiction: 555-0100 to 555-0199 in every
North American area code, and Ofcom's drama numbers in Britain.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# The number types of each country; as with Twilio, a search for others is 404.
NUMBER_TYPES: dict[str, tuple[str, ...]] = {
    "US": ("Local", "TollFree"),
    "CA": ("Local",),
    "GB": ("Local", "Mobile", "TollFree"),
    "DE": ("Local",),
}
TYPE_NAMES = {"local": "Local", "tollfree": "TollFree", "toll_free": "TollFree", "mobile": "Mobile"}
LOCALITIES = {
    "415": ("San Francisco", "CA"),
    "212": ("New York", "NY"),
    "202": ("Washington", "DC"),
    "312": ("Chicago", "IL"),
}
CANADIAN_AREA_CODES = ("204", "403", "416", "514", "604", "613", "902")
AMERICAN_AREA_CODES = ("202", "212", "303", "312", "404", "415", "512", "617", "702", "808")


@dataclass(frozen=True)
class Offer:
    """`address` is Twilio's address_requirements: none, any, local or foreign."""

    phone_number: str
    country: str = "US"
    kind: str = "Local"
    address: str = "none"
    bundle: bool = False

    @property
    def area_code(self) -> str:
        return self.phone_number[2:5] if self.phone_number.startswith("+1") else ""

    def as_json(self) -> dict[str, Any]:
        """Return the offer as a search lists it.

        The keys of its capabilities differ from those of an owned number.
        """
        locality, region = LOCALITIES.get(self.area_code, (None, None))
        return {
            "friendly_name": self.friendly_name,
            "phone_number": self.phone_number,
            "lata": None,
            "locality": locality,
            "rate_center": None,
            "latitude": None,
            "longitude": None,
            "region": region,
            "postal_code": None,
            "iso_country": self.country,
            "address_requirements": self.address,
            "beta": False,
            "capabilities": {"voice": True, "SMS": self.kind != "TollFree", "MMS": False},
        }

    @property
    def friendly_name(self) -> str:
        digits = self.phone_number[2:]
        if self.phone_number.startswith("+1") and len(digits) == 10:
            return f"({digits[:3]}) {digits[3:6]}-{digits[6:]}"
        return self.phone_number


def parse_offer(body: Any) -> Offer:
    """Parse an entry of PUT twilio's inventory, which is a number or an object.

    Raises ValueError with a sentence that names the problem.
    """
    if isinstance(body, str):
        body = {"phone_number": body}
    if not isinstance(body, dict) or not re.fullmatch(r"\+\d{8,15}", str(body.get("phone_number"))):
        raise ValueError("inventory must list numbers in E.164, or objects with a phone_number")
    number = str(body["phone_number"])
    # Without `country` the prefix decides; +1 counts as the United States.
    guess = next((c for c, code in (("GB", "+44"), ("DE", "+49")) if number.startswith(code)), "US")
    country = str(body.get("country", guess))
    kind = TYPE_NAMES.get(str(body.get("type", "local")).lower().replace(" ", ""))
    if kind is None or kind not in NUMBER_TYPES.get(country, ()):
        raise ValueError(f"there is no shelf for {body.get('type')} numbers in {country}")
    return Offer(
        number,
        country,
        kind,
        str(body.get("address_requirements", "none")),
        bool(body.get("bundle", False)),
    )


def default_offers(country: str, kind: str, area_code: str) -> Iterator[Offer]:
    """Yield the numbers of a type that are for sale by default."""
    if country in ("US", "CA"):
        for area in _area_codes(country, kind, area_code):
            yield from (Offer(f"+1{area}55501{last:02d}", country, kind) for last in range(100))
    elif country == "GB":
        stems = {"Local": "+442079460", "Mobile": "+447700900", "TollFree": "+448081570"}
        yield from (
            Offer(f"{stems[kind]}{last:03d}", "GB", kind, bundle=kind == "Mobile")
            for last in range(100)
        )
    else:
        yield from (
            Offer(f"+4930231250{last:02d}", "DE", kind, address="local") for last in range(100)
        )


def _area_codes(country: str, kind: str, area_code: str) -> Iterable[str]:
    """Return the area codes with numbers for sale; of those, `area_code` if it is given."""
    if area_code:
        return [area_code] if _is_sold_area_code(country, kind, area_code) else []
    if kind == "TollFree":
        return ["800"]
    return AMERICAN_AREA_CODES if country == "US" else CANADIAN_AREA_CODES


def _is_sold_area_code(country: str, kind: str, area_code: str) -> bool:
    # 533 is Twilio's magic area code without numbers.
    if not re.fullmatch(r"[2-9]\d\d", area_code) or area_code == "533":
        return False
    if kind == "TollFree":
        return area_code in ("800", "833", "844", "855", "866", "877", "888")
    return (area_code in CANADIAN_AREA_CODES) == (country == "CA")


def matches_search(offer: Offer, query: Mapping[str, str]) -> bool:
    """Return whether an offer matches a search. Unknown parameters are ignored."""
    if (area := query.get("AreaCode")) and offer.area_code != area:
        return False
    if (pattern := query.get("Contains")) and not _matches_pattern(offer.phone_number, pattern):
        return False
    if query.get("ExcludeAllAddressRequired") == "true" and offer.address != "none":
        return False
    if query.get("SmsEnabled") == "true" and offer.kind == "TollFree":
        return False
    return query.get("MmsEnabled") != "true"


def _matches_pattern(number: str, pattern: str) -> bool:
    """Match digits, and letters as on a keypad; `*` stands for any digit."""
    keys = str.maketrans("abcdefghijklmnopqrstuvwxyz", "22233344455566677778889999")
    digits = pattern.lower().translate(keys).replace("+", "")
    return bool(re.search("".join(r"\d" if c == "*" else re.escape(c) for c in digits), number))
