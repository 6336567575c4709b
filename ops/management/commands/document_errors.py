"""Write every error with its cause and what to do into docs/reference/errors.md."""

from itertools import groupby
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from voiceops.api.error_codes import DocumentedError, documented_errors

ERRORS_PAGE = Path(settings.BASE_DIR) / "docs/reference/errors.md"
CONTRACT_PAGE = Path(settings.BASE_DIR) / "docs/reference/api-contract.md"
DECISION_PAGE = Path(settings.BASE_DIR) / "docs/decisions/0016-error-codes.md"
TITLES = {
    400: "400: well formed, and cannot be done",
    401: "401: credentials",
    403: "403: not allowed",
    404: "404: not there",
    405: "405: method",
    409: "409: a duplicate",
    413: "413: too large",
    415: "415: form of the body",
    416: "416: range",
    422: "422: fields",
    429: "429: too many requests",
    500: "500: a failure of ours, or of a provider",
    503: "503: not now",
}
HEAD = f"""# Errors

Every error that the API answers with, written by `make docs` from the code. The body of an error
is `{{"detail": "…"}}` with the sentence in the second column
([API contract, 1]({CONTRACT_PAGE.name})); its code is in the header `Error-Code`
([decision 16](../decisions/{DECISION_PAGE.name})). `…` stands for what varies. A program that
has to tell errors apart compares codes: they never change.

```http
HTTP/1.1 400 Bad Request
Error-Code: batch_already_running

{{"detail": "Batch is already running"}}
```
"""


class Command(BaseCommand):
    help = "Write every error with its cause and what to do into docs/reference/errors.md."

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the page."""
        ERRORS_PAGE.write_text(written_page())
        self.stdout.write(f"Wrote {ERRORS_PAGE.relative_to(settings.BASE_DIR)}")


def written_page() -> str:
    """Return the page."""
    ordered = sorted(documented_errors(), key=lambda error: (error.status, error.code))
    by_status = groupby(ordered, lambda error: error.status)
    sections = [_section(status, list(errors)) for status, errors in by_status]
    return "\n".join([HEAD, *sections])


def _section(status: int, errors: list[DocumentedError]) -> str:
    rows = [
        f"| `{error.code}` | {_sentence(error)} | {error.cause} | {error.fix} |" for error in errors
    ]
    header = ["| code | `detail` | cause | what to do |", "|---|---|---|---|"]
    return "\n".join([f"## {TITLES[status]}", "", *header, *rows, ""])


def _sentence(error: DocumentedError) -> str:
    return f"`{error.message}`" if error.message else "a list of `{loc, msg, type}`"
