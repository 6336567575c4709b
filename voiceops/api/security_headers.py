from django.conf import settings
from django.http import HttpRequest, HttpResponse

CLOSED = "frame-ancestors 'none'; object-src 'none'; base-uri 'none'"
POLICIES = {
    "answer": f"{CLOSED}; default-src 'none'",
    # A page of ours loads from here alone. Redoc builds its worker itself; styles in attributes are
    # the libraries' way.
    "page": f"{CLOSED}; form-action 'self'; default-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; worker-src 'self' blob:; script-src 'self'",
}
# Alpine, which the admin is built on, evaluates its own attributes.
ADMIN = f"{POLICIES['page']} 'unsafe-eval'"
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def set_security_headers(request: HttpRequest, response: HttpResponse) -> None:
    """Nothing may frame, sniff or embed us; an answer that is no page loads nothing either."""
    for name, value in ALWAYS.items():
        response.headers[name] = value
    if settings.SECURE_HSTS_SECONDS and request.is_secure():
        response.headers["Strict-Transport-Security"] = (
            f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains; preload"
        )
    if not response.get("Content-Type", "").startswith("text/html"):
        policy = POLICIES["answer"]
    else:
        policy = ADMIN if request.path_info.startswith("/admin") else POLICIES["page"]
    response.headers["Content-Security-Policy"] = policy
