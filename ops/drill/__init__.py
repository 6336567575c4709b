"""Fault drills: batches are called through the sandbox by real processes, something is broken on
purpose, and afterwards every dial is compared with every row.

- `matrix.py` lists the faults by name, with the kind of environment each needs; `line_faults.py`,
  `trunk_faults.py`, `crash_faults.py`, `process_faults.py`, `order_faults.py` and
  `server_faults.py` say what each fault does, and what must hold afterwards.
- `world.py` is the environment in which faults happen: real processes, batches, and ways to break
  them. `servers.py` adds a PostgreSQL and a Redis server, `sandbox_control.py` the sandbox's
  control API.
- `fault_run.py` runs the faults of one world one after the other, `parallel_runs.py` runs worlds
  side by side.
- `batch_drill.py` is the other kind of drill: one batch during which processes are killed again and
  again.
- `invariants.py` holds what must be true after every drill (`docs/reference/reliability.md` §2.7).
"""
