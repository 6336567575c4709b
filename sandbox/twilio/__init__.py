"""The Twilio resources VoiceOps uses: phone numbers to buy, SIP credentials, elastic SIP trunks
(docs/reference/protocols.md §6).
"""
