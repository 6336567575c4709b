"""Where libphonenumber's time zones of a prefix differ from the place that the prefix belongs to.

It keeps one zone for a stretch of numbers, although a part of them lies in another: Recife is
called by the clock of the island Noronha, Adelaide by its own and that of Perth, and what changed
its clock lately has the old one (Chihuahua in 2022, Saratov in 2016). Here stand such prefixes, as
the national numbering plans assign them, with the zones of those places in IANA's `zone.tab`.
"""

from collections.abc import Mapping
from types import MappingProxyType

MAX_PREFIX_DIGITS = 8
_CHIHUAHUA = {"America/Mazatlan": "America/Chihuahua", "America/Mexico_City": ""}
_DAWSON_CREEK = {"America/Edmonton": "America/Dawson_Creek"}
_PARA = {"America/Manaus": "America/Belem"}
_TASMANIA = {"Australia/Sydney": "Australia/Hobart"}
_WESTERN_AUSTRALIA = {"Australia/Adelaide": ""}
_SOUTH_AUSTRALIA = {"Australia/Perth": ""}
# By prefix, calling code included: what libphonenumber says, and what it is instead. Several zones
# have blanks between them, and "" is none. The longest prefix of a number counts.
CORRECTIONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        # British Columbia's north and Creston, which keep another clock than Alberta.
        **dict.fromkeys(
            (
                *("1250242", "1250261", "1250262", "1250263", "1250782"),
                *("1250784", "1250785", "1250787", "1250788"),
            ),
            _DAWSON_CREEK,
        ),
        "1250428": {"America/Edmonton": "America/Creston"},
        "1250774": {"America/Edmonton": "America/Fort_Nelson"},
        # Yukon; other numbers without a place may be anywhere in the three territories.
        "1867": {
            "America/Vancouver": "America/Whitehorse",
            "America/Fort_Nelson": (
                "America/Whitehorse America/Inuvik America/Rankin_Inlet America/Iqaluit"
            ),
        },
        # Mexico: Chihuahua, Ciudad Juárez, Tijuana, Matamoros.
        **dict.fromkeys(
            (
                *("52614", "52621", "52625", "52627", "52628", "52629", "52635"),
                *("52636", "52639", "52648", "52649", "52652", "52659"),
            ),
            _CHIHUAHUA,
        ),
        "52657": {"America/Mazatlan": "America/Ciudad_Juarez"},
        "52663": {"America/Mexico_City": "America/Tijuana"},
        "52868": {"America/Mexico_City": "America/Matamoros"},
        # Brazil: Pernambuco, whose code Noronha shares, and Pará.
        "5581": {"America/Noronha": "America/Recife"},
        "55813619": {},
        "5591": _PARA,
        "5593": {"America/Manaus": "America/Santarem"},
        "5594": _PARA,
        # Chile: Magallanes, Aysén, Easter Island.
        "5661": {"America/Santiago": "America/Punta_Arenas"},
        "5667": {"America/Santiago": "America/Coyhaique"},
        "5632210": {"America/Santiago": "Pacific/Easter"},
        # Australia: Victoria and Tasmania have public holidays of their own; Queensland has no
        # summer time, and around the Tweed some live south of its border.
        "613": {"Australia/Sydney": "Australia/Melbourne"},
        **dict.fromkeys(("61362", "61363", "61364"), _TASMANIA),
        "617": {"Australia/Sydney": "Australia/Brisbane"},
        "61755": {"Australia/Sydney": "Australia/Brisbane Australia/Sydney"},
        "61756": {"Australia/Sydney": "Australia/Brisbane Australia/Sydney"},
        "6186": _WESTERN_AUSTRALIA,
        "6187": _SOUTH_AUSTRALIA,
        "6188": _SOUTH_AUSTRALIA,
        "61889": {"Australia/Adelaide": "Australia/Darwin", "Australia/Perth": ""},
        "6189": _WESTERN_AUSTRALIA,
        # Russia: Kaliningrad, Saratov.
        "7401": {"Europe/Bucharest": "Europe/Kaliningrad"},
        "7845": {"Europe/Moscow": "Europe/Saratov"},
    }
)


def correct_zones(digits: str, zones: set[str]) -> set[str]:
    """Return the zones of a number, given its digits and the zones that libphonenumber has."""
    for length in range(MAX_PREFIX_DIGITS, 0, -1):
        corrections = CORRECTIONS.get(digits[:length])
        if corrections is not None:
            return {right for zone in zones for right in corrections.get(zone, zone).split()}
    return zones
