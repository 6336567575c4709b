"""Twilio: numbers, elastic SIP trunks and the credentials on them."""
