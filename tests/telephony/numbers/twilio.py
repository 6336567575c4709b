"""Bodies of requests about a number at Twilio, and what the sandbox's Twilio has."""

from telephony.clients.twilio.client import Twilio
from tests.sandbox_server import RunningSandbox

NUMBER = "+14155550123"


PURCHASE = {"phone_number": NUMBER}


IMPORT = {"phone_number": NUMBER, "provider": "twilio"}


TABLES = (
    "numbers",
    "trunks",
    "origination_urls",
    "credential_lists",
    "credentials",
    "trunk_credential_lists",
)


NOTHING_AT_TWILIO = dict.fromkeys(TABLES, 0)


NUMBER_ONLY = {**NOTHING_AT_TWILIO, "numbers": 1}


def at_twilio(box: RunningSandbox) -> dict[str, int]:
    state = box.control("GET", "twilio")
    return {table: len(state[table]) for table in TABLES}


def refusal(words: str) -> tuple[int, dict[str, str]]:
    return 500, {"detail": f"Twilio error: {words}"}


def buy_by_hand(number: str = NUMBER) -> str:
    """Buy a number as in Twilio's console, and return its SID."""
    return Twilio().buy_number(number, "Bought by hand").sid
