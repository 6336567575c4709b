"""Describes to OpenAPI how clients authenticate."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


# The library is not typed.
class ApiScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.auth.authentication.ApiAuthentication"
    name = ["cookie", "bearer", "apiKey"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[str]]]:
        return [{name: []} for name in self.name]  # any one of them is enough

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "apiKey", "in": "cookie", "name": "access_token"},
            {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        ]
