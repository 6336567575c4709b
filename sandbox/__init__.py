"""A local server that speaks LiveKit's and Twilio's protocols, so that batches can be rehearsed
without cost.

It is a program of its own: it imports nothing of VoiceOps, and VoiceOps imports nothing of it. They
meet on the network only. `docs/sandbox.md` names the upstream source of every behaviour.
"""
