"""The process that waits for jobs: LiveKit's worker, its reports and their spool."""
