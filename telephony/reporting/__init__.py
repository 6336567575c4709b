"""Figures of calls."""
