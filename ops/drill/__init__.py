"""Fault drills: a batch against the sandbox with real processes, something killed in the middle, and the books checked.

ledger.py      what was dialled, beside what we wrote down; the invariants of `reliability.md` §2.7
scenario.py    what goes wrong and when
"""
