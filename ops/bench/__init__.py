"""Benchmarks: commands that print figures from one interleaved run. Timing is never a test."""
