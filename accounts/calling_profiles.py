"""Calling rules of some countries as data: ready-made limits for a workspace.

They are a help and no legal advice: they cover hours and frequency of marketing calls to consumers,
not consent, registers of people who object, or trades with rules of their own. Every rule has its
source; `sets` names the limits that follow from it, and a rule without one is for the reader.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NOTICE = (
    "A help, no legal advice: hours and frequency of marketing calls to consumers, as far as one "
    "setting can express them. Consent and registers of objections are not checked here."
)
ALL_DAYS = [1, 2, 3, 4, 5, 6, 7]
WEEKDAYS = [1, 2, 3, 4, 5]


@dataclass(frozen=True)
class Rule:
    """One rule in our words, where it stands, and which limits of the profile follow from it."""

    text: str
    source: str
    url: str
    sets: tuple[str, ...] = ()


@dataclass(frozen=True)
class CallingProfile:
    """The limits of a workspace that uses this profile, as long as it has none of its own."""

    name: str
    title: str
    calling_window: Mapping[str, Any]
    rules: tuple[Rule, ...]
    max_attempts_per_day: int | None = None
    max_attempts_per_week: int | None = None
    max_attempts_per_30_days: int | None = None
    rest_days_after_answer: int | None = None
    rest_days_after_refusal: int | None = None


def _window(*spans: tuple[list[int], str, str], holidays: str | None = None) -> dict[str, Any]:
    return {
        "timezone": "recipient",
        "spans": [{"days": days, "start": start, "end": end} for days, start, end in spans],
        "closed_dates": [],
        "holidays": holidays,
    }


US_FEDERAL_HOURS = Rule(
    "Telephone solicitations only from 8 a.m. to 9 p.m., local time at the called party's location",
    "47 CFR section 64.1200(c)(1); 16 CFR section 310.4(c)",
    "https://www.ecfr.gov/current/title-47/section-64.1200",
    ("calling_window",),
)
US = CallingProfile(
    name="us",
    title="United States, federal",
    calling_window=_window((ALL_DAYS, "08:00", "21:00")),
    rules=(
        US_FEDERAL_HOURS,
        Rule(
            "Artificial or prerecorded voices, which include voices made by AI, need prior consent",
            "47 CFR section 64.1200(a); FCC 24-17",
            "https://www.ecfr.gov/current/title-47/section-64.1200",
        ),
    ),
)
US_FLORIDA = CallingProfile(
    name="us-fl",
    title="United States, Florida",
    calling_window=_window((ALL_DAYS, "08:00", "20:00")),
    max_attempts_per_day=3,
    rules=(
        Rule(
            "Commercial telephone solicitations only from 8 a.m. to 8 p.m., in the time zone of "
            "the called person",
            "Florida Statutes, section 501.616(6)(a)",
            "http://www.leg.state.fl.us/statutes/index.cfm?App_mode=Display_Statute&URL=0500-0599/0501/Sections/0501.616.html",
            ("calling_window",),
        ),
        Rule(
            "At most three such calls from any number to a person in 24 hours on one subject",
            "Florida Statutes, section 501.616(6)(b)",
            "http://www.leg.state.fl.us/statutes/index.cfm?App_mode=Display_Statute&URL=0500-0599/0501/Sections/0501.616.html",
            ("max_attempts_per_day",),
        ),
    ),
)
FRENCH_HOURS = "Code de la consommation, art. D223-9 (décret n° 2022-1313)"
FRENCH_HOURS_URL = "https://www.legifrance.gouv.fr/jorf/id/JORFTEXT000046414475"
FRANCE = CallingProfile(
    name="fr",
    title="France",
    calling_window=_window(
        (WEEKDAYS, "10:00", "13:00"), (WEEKDAYS, "14:00", "20:00"), holidays="FR"
    ),
    max_attempts_per_30_days=4,
    rest_days_after_refusal=60,
    rules=(
        Rule(
            "Monday to Friday from 10:00 to 13:00 and from 14:00 to 20:00; not on Saturdays, "
            "Sundays and public holidays",
            FRENCH_HOURS,
            FRENCH_HOURS_URL,
            ("calling_window",),
        ),
        Rule(
            "A consumer is solicited at most four times in thirty days",
            FRENCH_HOURS,
            FRENCH_HOURS_URL,
            ("max_attempts_per_30_days",),
        ),
        Rule(
            "A consumer who refuses is left alone for sixty days",
            FRENCH_HOURS,
            FRENCH_HOURS_URL,
            ("rest_days_after_refusal",),
        ),
        Rule(
            "Since 11 August 2026 a consumer must have consented before",
            "Loi n° 2025-594 du 30 juin 2025",
            "https://www.legifrance.gouv.fr/jorf/id/JORFTEXT000051825748",
        ),
    ),
)
BRITAIN = CallingProfile(
    name="gb",
    title="United Kingdom",
    calling_window=_window(
        (WEEKDAYS, "08:00", "21:00"), ([6], "09:00", "21:00"), holidays="recipient"
    ),
    rules=(
        Rule(
            "Monday to Friday from 8:00 to 21:00, Saturdays from 9:00 to 21:00; not on Sundays and "
            "public holidays (a code of the trade; the law names no hours)",
            "Data & Marketing Association, Telemarketing Guide",
            "https://dma.org.uk/the-dma-code",
            ("calling_window",),
        ),
        Rule(
            "Numbers of the Telephone Preference Service need consent; automated calls always do",
            "Privacy and Electronic Communications Regulations 2003, reg. 19 and 21",
            "https://www.legislation.gov.uk/uksi/2003/2426/contents",
        ),
    ),
)
GERMAN_CODE = "Branchenkodex Telefonmarketing (CCV, DDV)"
GERMAN_CODE_URL = "https://cc-verband.de/service-wissen/branchenkodex/"
GERMANY = CallingProfile(
    name="de",
    title="Germany",
    calling_window=_window(
        (WEEKDAYS, "08:00", "20:00"), ([6], "09:00", "18:00"), holidays="recipient"
    ),
    max_attempts_per_day=3,
    max_attempts_per_week=15,
    rules=(
        Rule(
            "Monday to Friday from 8:00 to 20:00, Saturdays from 9:00 to 18:00; not on Sundays and "
            "public holidays (a code of the trade; the law names no hours)",
            GERMAN_CODE,
            GERMAN_CODE_URL,
            ("calling_window",),
        ),
        Rule(
            "At most three attempts a day and fifteen a week to reach a consumer",
            GERMAN_CODE,
            GERMAN_CODE_URL,
            ("max_attempts_per_day", "max_attempts_per_week"),
        ),
        Rule(
            "Marketing calls to consumers need prior express consent, which is kept on record",
            "UWG, sections 7 (2) no. 1 and 7a",
            "https://www.gesetze-im-internet.de/uwg_2004/__7.html",
        ),
    ),
)
INDIA = CallingProfile(
    name="in",
    title="India",
    calling_window=_window((ALL_DAYS, "10:00", "21:00")),
    rules=(
        Rule(
            "Promotional communication only from 10:00 to 21:00, unless the recipient has chosen "
            "other time bands",
            "Telecom Commercial Communications Customer Preference Regulations, 2018 (TRAI), "
            "Schedule II",
            "https://www.trai.gov.in/release-publication/regulations",
            ("calling_window",),
        ),
        Rule(
            "Only from registered senders and numbers of the series for commercial calls, and not "
            "to numbers whose preference blocks them",
            "Telecom Commercial Communications Customer Preference Regulations, 2018 (TRAI)",
            "https://www.trai.gov.in/release-publication/regulations",
        ),
    ),
)
PROFILES = {profile.name: profile for profile in (US, US_FLORIDA, FRANCE, BRITAIN, GERMANY, INDIA)}
FREQUENCY_LIMITS = (
    "max_attempts_per_day",
    "max_attempts_per_week",
    "max_attempts_per_30_days",
    "rest_days_after_answer",
    "rest_days_after_refusal",
)
LIMITS = ("calling_window", *FREQUENCY_LIMITS)
