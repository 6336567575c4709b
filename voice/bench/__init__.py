"""Figures of this machine, and the promises that they keep or break."""
