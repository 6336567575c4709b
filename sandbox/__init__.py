"""A local server that speaks LiveKit's and Twilio's protocols, so that a batch can be rehearsed
before it is paid for.

It imports nothing of VoiceOps, and VoiceOps imports nothing of it: between them is only the
network. `docs/sandbox.md` names the upstream source of every behaviour.
"""
