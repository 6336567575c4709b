"""Rehearsals: scripts that talk to an agent, and check what it says and does."""
