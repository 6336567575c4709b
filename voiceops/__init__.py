"""The project: settings, URLs, Celery, and what every app shares.

Nothing is imported here, so that a program without Django may use the pure modules of `core`.
"""
