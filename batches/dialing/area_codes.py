"""Area codes whose region is certain, where libphonenumber names a city and no region.

Codes that lie in two regions (Mannheim and Ludwigshafen, Basel) are left out: nobody knows more of
them than of a mobile. The longest prefix counts.
"""

REGIONS_BY_PREFIX: dict[str, dict[str, str]] = {
    "CH": {
        "BE": "31 33",
        "GE": "22",
        "GR": "81",
        "TI": "91",
        "VD": "21",
        "VS": "27",
        "ZH": "43 44",
    },
    "DE": {
        "BB": "331 355",
        "BW": "7 934",
        "BY": "8 9",
        "HB": "421",
        "HE": "277 561 611 641 69 6151",
        "MV": "381 385",
        "NI": "441 511 531 541 551",
        "NW": "2 521 571",
        "RP": "26 274 727 6131 631 651",
        "SH": "431 451 461",
        "SL": "68",
        "SN": "341 351 371",
        "ST": "345 391",
        "TH": "361 3641 365",
    },
    "FR": {"57": "387", "6AE": "369 388 389 390"},
    "GB": {
        "ENG": "113 114 115 116 117 118 121 151 161 191 20",
        "NIR": "28",
        "SCT": "131 141 1224 1292 1324 1334 1382 1383 1387 1463 1592 1698 1738 1786",
        "WLS": "29 1248 1267 1443 1633 1656 1792 1970 1978",
    },
}
"""The beginnings of national numbers, by country and region (codes as `holidays` has them)."""


def region_by_area_code(country: str, national_number: str) -> str:
    """Return the region of a fixed-line number; empty if its area code does not tell."""
    found = {
        prefix: region
        for region, prefixes in REGIONS_BY_PREFIX.get(country, {}).items()
        for prefix in prefixes.split()
        if national_number.startswith(prefix)
    }
    return found[max(found, key=len)] if found else ""
