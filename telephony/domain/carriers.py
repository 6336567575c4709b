"""By which name the price table knows the carrier of a number."""

from telephony.models import PhoneNumber, Provider


def carrier_of(number: PhoneNumber) -> str:
    """Return the host of the number's trunk, or the provider that it was bought from."""
    if number.provider != Provider.SIP:
        return number.provider
    return number.sip_address.partition(":")[0]
