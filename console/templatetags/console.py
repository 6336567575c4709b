"""How pages write numbers, times and codes, and their small components."""

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django import template
from django.template.defaultfilters import floatformat
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from batches.reporting.reasons import explain
from console.forms import Form, sentence
from console.wording.api_sentences import in_page_language
from console.wording.events import event_words
from console.wording.languages import API_LANGUAGE
from console.wording.words import spelt_out, words_for
from voiceops.api.fields import UUID_PATTERN
from voiceops.core.amount_words import amount_words
from voiceops.core.day_words import day_words
from voiceops.core.lists import MAX_COUNTED_ROWS
from voiceops.core.pii import mask_number, mask_numbers_in
from voiceops.core.prices import limit_micros

register = template.Library()
SECONDS_A_MINUTE = 60
# Kind of object in the audit log -> its page.
AUDITED_PAGES = {
    "agent": "agent",
    "batch": "batch",
    "call": "call",
    "phonenumber": "number",
    "webhookendpoint": "webhook",
}
CODE = re.compile(r"\b[a-z]+(?:_[a-z0-9]+)+\b")
DASH = "\N{EN DASH}"  # where there is no value
register.filter("sentence", sentence)
register.filter("spelt", spelt_out)
register.filter("event", event_words)


@register.filter
def count(value: Any) -> str:
    """A whole number with separators."""
    return number_format(int(value or 0), force_grouping=True)


@register.filter
def scale(top: Any) -> str:
    """What the upper edge of a chart stands for: a number, or the highest of its columns."""
    if not isinstance(top, int | float):
        top = max((column.total for column in top), default=0)
    return floatformat(top, "-1g") if top else ""


@register.filter
def percent(share: float | None) -> str:
    """A share as a percentage; a dash where there is none."""
    if share is None:
        return DASH
    rounded = round(100 * share, 1)
    return f"{number_format(int(rounded) if rounded.is_integer() else rounded)} %"


@register.filter
def money(amount: Any) -> str:
    """An amount with its currency; a dash where there is none. A budget may be a number alone."""
    micros = limit_micros(amount)
    return DASH if micros is None else amount_words(micros)


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds as minutes and seconds, or as hours and minutes."""
    if seconds is None:
        return DASH
    whole = round(seconds)
    minutes, rest = divmod(whole, SECONDS_A_MINUTE)
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left:02} min" if hours else f"{minutes}:{rest:02}"


@register.filter
def timeline_text(text: str) -> str:
    """A line of a call's timeline, in the page's language."""
    return in_page_language(text) or text


@register.filter
def why(code: str) -> str:
    """A reason of not being called, as a sentence; an operator's own as they wrote it."""
    return sentence(explain(code).text)


@register.filter
def what_is_wrong(row: dict[str, Any]) -> str:
    """Why a row was refused; in other languages less exactly than the API says it in English."""
    if get_language() == API_LANGUAGE:
        return sentence(row["error_message"])
    return why(row["error_code"])


@register.filter
def pairs(values: dict[str, Any] | None) -> list[tuple[str, Any]]:
    """Names and values; a template's `.items` would be a value of that name, where there is one."""
    return list((values or {}).items())


@register.filter
def as_json(value: Any) -> str:
    """What was sent, as JSON that a person can read."""
    return json.dumps(value, indent=2, ensure_ascii=False)


@register.filter
def setting(value: Any) -> str:
    """A setting of an agent in words: its parts one below the other, without signs of JSON."""
    if value in (None, "", [], {}):
        return DASH
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, Mapping):
        return "\n".join(f"{spelt_out(str(name))}: {setting(part)}" for name, part in value.items())
    if isinstance(value, list):
        return "\n".join(setting(part) for part in value)
    return str(value)


@register.filter
def changed_to(value: Any) -> str:
    """What a change of the audit log set, on one line; ids and what is empty say nothing."""
    text = ", ".join(setting(value).splitlines())
    if text == DASH or UUID_PATTERN.fullmatch(text):
        return ""
    return CODE.sub(lambda found: found[0].replace("_", " "), text)


@register.filter
def page_of(entry: Mapping[str, Any]) -> str:
    """The page of what an entry of the audit log is about; empty where there is none."""
    name = AUDITED_PAGES.get(entry["object_type"])
    return reverse(f"console:{name}", args=[entry["object_id"]]) if name else ""


@register.filter
def offset(at: str, start: str) -> str:
    """How long after `start` something was: `+0.8 s`."""
    seconds = seconds_after(at, start)
    return f"+{number_format(seconds, decimal_pos=1)} s" if seconds else ""


@register.filter
def seconds_after(at: str, start: str) -> str:
    """The same as a plain number, for scripts."""
    first, second = _instant(start), _instant(at)
    if first is None or second is None:
        return ""
    return f"{max(0.0, (second - first).total_seconds()):.1f}"


@register.simple_tag(takes_context=True)
def when(context: dict[str, Any], at: Any, style: str = "short") -> SafeString | str:
    """A time in the reader's zone, with the zone's name; the UTC time on hover."""
    instant = _instant(at)
    if instant is None:
        return DASH
    local = instant.astimezone(context["zone"])
    is_today = local.date() == timezone.now().astimezone(context["zone"]).date()
    day = "" if is_today and style == "short" else day_words(local.date()) + ", "
    seconds = ":%S" if style == "exact" else ""
    text = f"{day}{local.strftime(f'%H:%M{seconds}')} {local.tzname()}"
    utc = instant.strftime("%Y-%m-%d %H:%M:%S UTC")
    return format_html('<time datetime="{}" title="{}">{}</time>', instant.isoformat(), utc, text)


@register.filter
def day(text: str) -> str:
    """A date of the API as people write it."""
    return day_words(date.fromisoformat(text))


@register.filter
def ago(at: Any) -> str:
    """How long ago something was, in the largest unit."""
    instant = _instant(at)
    if instant is None:
        return _("never")
    if (timezone.now() - instant).total_seconds() < SECONDS_A_MINUTE:
        return _("just now")
    return _("%(time)s ago") % {"time": timesince(instant, depth=1)}


@register.simple_tag(takes_context=True)
def number(context: dict[str, Any], value: str | None) -> str:
    """A phone number, masked for those who may not see it."""
    if not value:
        return DASH
    return value if context.get("sees_numbers") else mask_number(value)


@register.simple_tag(takes_context=True)
def masked(context: dict[str, Any], text: Any) -> str:
    """Text in which phone numbers are masked for those who may not see them."""
    return str(text) if context.get("sees_numbers") else mask_numbers_in(str(text))


@register.inclusion_tag("components/pill.html")
def pill(kind: str, code: Any) -> dict[str, str]:
    """A code in words, with its tone."""
    words, tone = words_for(kind, code)
    return {"words": words, "tone": tone}


@register.simple_tag
def words(kind: str, code: Any) -> str:
    """A code in words."""
    return words_for(kind, code)[0]


@register.inclusion_tag("components/field.html")
def field(form: Form | None, name: str, label: str, **options: Any) -> dict[str, Any]:
    """A labelled field of a form, with what was typed and what was refused about it."""
    form = form or Form()
    value = form.values.get(name, options.pop("value", ""))
    kind = options.pop("type", "text")
    return {
        "name": name,
        "label": label,
        "type": kind,
        "value": "" if kind == "password" else value,
        "error": form.errors.get(name, ""),
        "help": options.pop("help", ""),
        "choices": options.pop("choices", None),
        "rows": options.pop("rows", None),
        "attributes": options,
    }


@register.simple_tag
def page_totals(page: dict[str, Any]) -> dict[str, Any]:
    """Whether a list is longer than was counted, and whether a page follows this one."""
    is_capped = page.get("is_capped", False) and page["total"] > MAX_COUNTED_ROWS
    has_next = page["page"] < page["total_pages"]
    if is_capped and not has_next:
        has_next = len(page["items"]) == page["page_size"]
    return {"is_capped": is_capped, "counted": MAX_COUNTED_ROWS, "has_next": has_next}


@register.simple_tag(name="people")
def recipients_in_words(total: int) -> str:
    """So many people, in words."""
    amount = count(total)
    return ngettext("%(n)s person", "%(n)s people", total) % {"n": amount}


def _instant(at: Any) -> datetime | None:
    return at if at is None or isinstance(at, datetime) else parse_datetime(str(at))
