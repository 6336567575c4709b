"""The API as a FastAPI engineer would write it, over the same tables."""
