"""Dialling: never twice, never lost. Steps 2 to 7 of `docs/architecture.md §5`.

protocol.py         the numbers that all steps share
pacing.py           the arithmetic of calls per second: which slot is next
capacity.py         how many calls a number may have, and the adoption of queued calls
jobs.py             reserved calls: loaded, kept under a lease, closed unsent
admission.py        what the owner of the work is asked at the last moment
intents.py          intents and their slots, durable before anything is sent
dialer.py           one event loop that prepares, paces, sends once and classifies
responses.py        the responses to dial requests, written to their calls
reconciliation.py   attempts whose answer was lost
polling.py          calls that have gone silent

Only the dialer and the last two touch the network; the others are short transactions or arithmetic.
"""
