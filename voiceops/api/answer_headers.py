"""Headers of our own that answers may have: what pages of other origins can read, and the document.

The settings import it, so it imports nothing.
"""

# Name -> what it says. They stand on answers to requests that a limit has counted.
RATE_LIMIT_HEADERS = {
    "X-RateLimit-Limit": "How many requests the tightest limit allows in its period.",
    "X-RateLimit-Remaining": "How many of them are left.",
    "X-RateLimit-Reset": "When one more is allowed, in seconds since 1970 (Unix time).",
}
EXPOSED_HEADERS = (
    "Error-Code",
    "Idempotent-Replay",
    "Retry-After",
    "X-Request-ID",
    *RATE_LIMIT_HEADERS,
)
