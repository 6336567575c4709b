"""Fault drills: a batch against the sandbox with real processes, something killed in the middle,
and the books checked.

ledger.py      what was dialled, beside what we wrote down; the invariants of `reliability.md` §2.7
scenario.py    one list, and blows that fall while it is called
matrix.py      every fault by name, and the world it strikes in; *_faults.py what each does, and
must not do rehearsal.py   the faults of one world, one after the other world.py       its
processes, lists and clocks; servers.py its PostgreSQL and Redis abreast.py     worlds side by side
"""
