"""The Twilio resources VoiceOps uses: inventory, numbers, SIP credentials, elastic SIP trunks
(protocols.md 6).
"""
