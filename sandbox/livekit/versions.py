"""The versions of LiveKit that are played (docs/reference/real-livekit.md)."""

SERVER_VERSION = "1.13.11"
SIP_VERSION = "1.11.0"
AGENTS_VERSION = "1.8.9"
