"""docs/reference/webhook-events.md: every event of webhooks, with an example of its body."""

import json
from collections.abc import Iterator

from django.conf import settings

from webhooks.models import EVENTS, TEST_EVENT
from webhooks.openapi.operations import WEBHOOK_EXAMPLES
from webhooks.openapi.payloads import EVENT_TEXTS, HEADERS

WEBHOOKS_PAGE = settings.BASE_DIR / "docs/webhooks.md"
EVENTS_HEAD = f"""# Webhook events

Every event that VoiceOps sends, with an example of each kind of body, written by `make docs` from
the OpenAPI document, which has the types (`webhooks`). How to receive, verify and repeat them is in
[webhooks](../{WEBHOOKS_PAGE.name}).
"""


def events_page() -> str:
    """Return the page."""
    return "\n".join([EVENTS_HEAD, *_headers(), "", *_events(), "", *_bodies()])


def _headers() -> Iterator[str]:
    yield from ("## Headers", "", "| header | what it is |", "|---|---|")
    yield from (f"| `{name}` | {text} |" for name, text in HEADERS.items())


def _events() -> Iterator[str]:
    yield from ("## Events", "", "| event | when | body |", "|---|---|---|")
    for event in (*EVENTS, TEST_EVENT):
        text, payload = EVENT_TEXTS[event]
        yield f"| `{event}` | {text} | [{payload}](#{payload.lower()}) |"


def _bodies() -> Iterator[str]:
    yield from ("## Bodies", "")
    for payload in dict.fromkeys(payload for _, payload in EVENT_TEXTS.values()):
        body = json.dumps(WEBHOOK_EXAMPLES[payload], indent=2, ensure_ascii=False)
        yield from (f"### {payload}", "", f'```json title="{payload}"', body, "```", "")
