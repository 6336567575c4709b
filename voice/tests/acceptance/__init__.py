"""What the voice worker has to do, seen from outside, without network: one file for each point."""
