"""Benchmarks: commands that print figures and ratios from one interleaved run, never timed tests."""
