"""Dialling: never twice, never lost. The protocol of `architecture.md` §5, steps 2 to 7.

rows.py        what each step writes: short transactions, no network inside
engine.py      one event loop that prepares, paces, sends once and classifies; nothing of the
database on the loop reconcile.py   what to make of attempts whose answer was lost watch.py
asks LiveKit about calls that have gone silent
"""
