"""Calling profiles: rules with sources, and what they set."""

from urllib.parse import urlparse

import pytest

from accounts.calling_profiles import LIMITS, NOTICE, PROFILES, CallingProfile
from accounts.models import Workspace
from accounts.roles import Role
from accounts.serializers.calling_windows import CallingWindowSerializer
from tests import make

EVERY_PROFILE = [pytest.param(profile, id=name) for name, profile in PROFILES.items()]


def test_members_see_the_profiles_with_their_rules_and_sources(ours: Workspace) -> None:
    listed = make.client(ours, Role.MEMBER).get("/calling-profiles").json()

    assert [profile["name"] for profile in listed["items"]] == [
        "us",
        "us-fl",
        "fr",
        "gb",
        "de",
        "in",
    ]
    assert (listed["total"], listed["page"], listed["total_pages"]) == (6, 1, 1)
    french = listed["items"][2]
    rules = french.pop("rules")
    assert french == {
        "name": "fr",
        "title": "France",
        "notice": NOTICE,
        "calling_window": {
            "timezone": "recipient",
            "spans": [
                {"days": [1, 2, 3, 4, 5], "start": "10:00", "end": "13:00"},
                {"days": [1, 2, 3, 4, 5], "start": "14:00", "end": "20:00"},
            ],
            "closed_dates": [],
            "holidays": "FR",
        },
        "max_attempts_per_day": None,
        "max_attempts_per_week": None,
        "max_attempts_per_30_days": 4,
        "rest_days_after_answer": None,
        "rest_days_after_refusal": 60,
    }
    assert rules[1] == {
        "text": "A consumer is solicited at most four times in thirty days",
        "source": "Code de la consommation, art. D223-9 (décret n° 2022-1313)",
        "url": "https://www.legifrance.gouv.fr/jorf/id/JORFTEXT000046414475",
        "sets": ["max_attempts_per_30_days"],
    }


@pytest.mark.parametrize("profile", EVERY_PROFILE)
def test_every_limit_of_a_profile_follows_from_a_rule_with_a_source(
    profile: CallingProfile,
) -> None:
    explained = {name for rule in profile.rules for name in rule.sets}

    assert explained == {name for name in LIMITS if getattr(profile, name) is not None}
    assert all(rule.text and rule.source for rule in profile.rules)
    assert all(urlparse(rule.url).scheme in ("http", "https") for rule in profile.rules)


@pytest.mark.parametrize("profile", EVERY_PROFILE)
def test_window_of_a_profile_is_one_that_a_client_could_set(profile: CallingProfile) -> None:
    serializer = CallingWindowSerializer(data=dict(profile.calling_window))

    serializer.is_valid(raise_exception=True)

    assert serializer.validated_data == profile.calling_window


def test_profile_stands_in_for_limits_that_the_workspace_has_not_set(ours: Workspace) -> None:
    client = make.client(ours)

    body = client.patch(
        f"/workspaces/{ours.pk}", {"calling_profile": "fr", "max_attempts_per_30_days": 2}
    ).json()
    refused = client.patch(f"/workspaces/{ours.pk}", {"calling_profile": "mars"})

    ours.refresh_from_db()
    assert (body["calling_profile"], body["calling_window"]) == ("fr", None)
    assert ours.limit("calling_window") == PROFILES["fr"].calling_window
    assert ours.limit("rest_days_after_refusal") == 60
    assert ours.limit("max_attempts_per_30_days") == 2
    assert refused.json() == {
        "detail": [
            {
                "loc": ["body", "calling_profile"],
                "msg": "value is not a valid enumeration member; permitted: 'us', 'us-fl', 'fr', "
                "'gb', 'de', 'in'",
                "type": "type_error.enum",
            }
        ]
    }
