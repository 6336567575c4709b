from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import time_machine
from django.conf import settings as django_settings
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Workspace
from telephony.models import Call, InboxEvent, Outcome, Recording, Stage
from telephony.services.recordings import apply_egress
from tests import make
from tests.telephony.calls import livekit

SOUND = b"OggS" + bytes(range(256)) * 4


def answered(of: Workspace, **fields: Any) -> Call:
    now = timezone.now()
    times = {"dialed_at": now, "answered_at": now, "ended_at": now}
    return make.call(of, stage=Stage.ENDED, outcome=Outcome.ANSWERED, **{**times, **fields})


def egress(call: Call, status: str, egress_id: str = "EG_1", **fields: Any) -> dict[str, Any]:
    return {"egressId": egress_id, "roomName": call.room, "status": status, **fields}


def complete(call: Call, egress_id: str = "EG_1", key: str | None = None) -> dict[str, Any]:
    file = {
        "filename": key or f"{call.workspace_id}/{call.pk}.ogg",
        "size": "1028",
        "duration": "41200000000",
    }
    return egress(call, "EGRESS_COMPLETE", egress_id, fileResults=[file])


def stored(call: Call, sound: bytes = SOUND) -> Recording:
    """Create a recording that is ready, with its file in local storage."""
    path = django_settings.DATA_DIR / "recordings" / str(call.workspace_id) / f"{call.pk}.ogg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sound)
    apply_egress(call, complete(call), at=timezone.now())
    return Recording.unscoped.get(call=call)


def link_to(call: Call) -> str:
    body = make.client(call.workspace).get(f"/calls/{call.pk}/recording").json()
    return str(urlsplit(body["url"]).path)


def played(response: Any) -> bytes:
    return b"".join(response.streaming_content)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [2, 0, 1], [1, 2, 2]])
def test_events_of_a_recording_may_come_in_any_order(ours: Workspace, order: list[int]) -> None:
    call = answered(ours)
    events = [
        ("egress_started", egress(call, "EGRESS_STARTING")),
        ("egress_updated", egress(call, "EGRESS_ACTIVE")),
        ("egress_ended", complete(call)),
    ]

    for number in order:
        name, info = events[number]
        livekit.post(
            {"event": name, "id": f"EV_{number}", "createdAt": "1795422127", "egressInfo": info}
        )

    row = Recording.unscoped.get()
    call.refresh_from_db()
    assert (row.status, row.egress_id, row.size_bytes, row.duration_seconds) == (
        "ready",
        "EG_1",
        1028,
        41.2,
    )
    assert row.storage_key == f"{ours.pk}/{call.pk}.ogg"
    assert call.has_recording
    assert list(call.events.values_list("text", flat=True)) == ["The recording is ready"]


def test_failed_recording_is_explained_and_leaves_the_call_alone(ours: Workspace) -> None:
    call = answered(ours)
    apply_egress(call, egress(call, "EGRESS_STARTING"), at=timezone.now())

    for _ in range(2):
        apply_egress(
            call, egress(call, "EGRESS_FAILED", error="S3 upload failed: denied"), at=timezone.now()
        )

    row = Recording.unscoped.get()
    call.refresh_from_db()
    assert (row.status, row.error) == ("failed", "S3 upload failed: denied")
    assert (call.outcome, call.has_recording) == (Outcome.ANSWERED, False)
    assert [event.text for event in call.events.all()] == [
        "The recording failed: S3 upload failed: denied"
    ]


def test_second_egress_replaces_a_failed_one_but_not_the_reverse(ours: Workspace) -> None:
    call = answered(ours)

    apply_egress(call, egress(call, "EGRESS_FAILED", "EG_1", error="no"), at=timezone.now())
    apply_egress(call, complete(call, "EG_2"), at=timezone.now())
    apply_egress(call, egress(call, "EGRESS_ABORTED", "EG_3"), at=timezone.now())

    row = Recording.unscoped.get()
    assert (row.status, row.egress_id) == ("ready", "EG_2")


def test_link_works_without_credentials(ours: Workspace) -> None:
    call = answered(ours)
    stored(call)

    body = make.client(ours).get(f"/calls/{call.pk}/recording").json()
    response = Client().get(urlsplit(body["url"]).path)

    assert set(body) == {"url", "expires_at"}
    assert body["url"].startswith(f"{django_settings.PUBLIC_URL}/recordings/")
    assert response.status_code == 200
    assert played(response) == SOUND
    assert {
        name: response[name] for name in ("Content-Type", "Content-Disposition", "Content-Length")
    } == {
        "Content-Type": "audio/ogg",
        "Content-Disposition": f'attachment; filename="call-{call.pk}.ogg"',
        "Content-Length": "1028",
    }
    assert response["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("asked", "got", "content_range"),
    [
        ("bytes=0-3", SOUND[:4], "bytes 0-3/1028"),
        ("bytes=1020-", SOUND[1020:], "bytes 1020-1027/1028"),
        ("bytes=-5", SOUND[-5:], "bytes 1023-1027/1028"),
        ("bytes=1000-5000", SOUND[1000:], "bytes 1000-1027/1028"),
    ],
)
def test_link_serves_byte_ranges(
    ours: Workspace, asked: str, got: bytes, content_range: str
) -> None:
    call = answered(ours)
    stored(call)

    response = Client().get(link_to(call), headers={"Range": asked})

    assert response.status_code == 206
    assert (played(response), response["Content-Range"]) == (got, content_range)


@pytest.mark.parametrize("asked", ["bytes=1028-", "bytes=5-2", "bytes=-0"])
def test_range_outside_the_file_is_416(ours: Workspace, asked: str) -> None:
    call = answered(ours)
    stored(call)

    response = Client().get(link_to(call), headers={"Range": asked})

    assert (response.status_code, response["Content-Range"]) == (416, "bytes */1028")


def test_link_expires_after_five_minutes(ours: Workspace) -> None:
    call = answered(ours)
    stored(call)
    link = link_to(call)

    with time_machine.travel(timezone.now() + timedelta(minutes=5, seconds=1)):
        response = Client().get(link)

    assert (response.status_code, response.json()) == (403, {"detail": "Link expired"})


def test_forged_link_is_404(db: None) -> None:
    response = Client().get("/recordings/01933b5e-0000-7000-8000-000000000000:1xyz:abc")

    assert (response.status_code, response.json()) == (404, {"detail": "Recording not found"})


def test_recording_without_a_file_is_404(ours: Workspace) -> None:
    call = answered(ours)
    apply_egress(call, complete(call), at=timezone.now())

    response = make.client(ours).get(f"/calls/{call.pk}/recording")

    assert (response.status_code, response.json()) == (404, {"detail": "Recording not found"})


def test_file_outside_the_storage_is_never_served(ours: Workspace) -> None:
    call = answered(ours)
    apply_egress(call, complete(call, key="../../../etc/passwd"), at=timezone.now())

    response = make.client(ours).get(f"/calls/{call.pk}/recording")

    assert (response.status_code, response.json()) == (404, {"detail": "Recording not found"})


def test_prune_deletes_recordings_past_their_retention(ours: Workspace, theirs: Workspace) -> None:
    Workspace.unscoped.filter(pk=ours.pk).update(recording_retention_days=30)
    old, young, kept = answered(ours), answered(ours), answered(theirs)
    for call in (old, young, kept):
        stored(call)
    long_ago = timezone.now() - timedelta(days=31)
    Recording.unscoped.exclude(call=young).update(ready_at=long_ago)

    call_command("prune")

    statuses = dict(Recording.unscoped.values_list("call_id", "status"))
    old.refresh_from_db()
    folder = django_settings.DATA_DIR / "recordings"
    assert statuses == {old.pk: "pruned", young.pk: "ready", kept.pk: "ready"}
    assert not old.has_recording
    assert not (folder / str(ours.pk) / f"{old.pk}.ogg").exists()
    assert (folder / str(ours.pk) / f"{young.pk}.ogg").exists()


def test_prune_deletes_old_applied_webhooks(db: None) -> None:
    now = timezone.now()
    for name, days, applied in (("EV_old", 8, now), ("EV_waiting", 8, None), ("EV_new", 1, now)):
        received = now - timedelta(days=days)
        InboxEvent.objects.create(
            event_id=name, event="x", room="vo-1", body={}, received_at=received, applied_at=applied
        )

    call_command("prune")

    assert set(InboxEvent.objects.values_list("pk", flat=True)) == {"EV_waiting", "EV_new"}


def in_bucket(client: Any, call: Call) -> None:
    key = f"recordings/{call.workspace_id}/{call.pk}.ogg"
    client.put_object(Bucket="recordings", Key=key, Body=SOUND)
    apply_egress(call, complete(call, key=key), at=timezone.now())


def test_link_to_s3_is_signed_with_v4_for_five_minutes(ours: Workspace, bucket: Any) -> None:
    call = answered(ours)
    in_bucket(bucket, call)

    url = make.client(ours).get(f"/calls/{call.pk}/recording").json()["url"]
    response = requests.get(url, timeout=10)

    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert (query["X-Amz-Algorithm"], query["X-Amz-Expires"]) == ("AWS4-HMAC-SHA256", "300")
    assert "/eu-central-1/s3/" in query["X-Amz-Credential"]
    assert urlsplit(url).path == f"/recordings/recordings/{ours.pk}/{call.pk}.ogg"
    assert response.content == SOUND
    assert response.headers["Content-Disposition"] == f'attachment; filename="call-{call.pk}.ogg"'


def test_link_leads_to_the_public_endpoint(
    ours: Workspace, bucket: Any, settings: Settings
) -> None:
    settings.S3_PUBLIC_ENDPOINT_URL = "https://files.example.com"
    call = answered(ours)
    in_bucket(bucket, call)

    url = make.client(ours).get(f"/calls/{call.pk}/recording").json()["url"]

    assert url.startswith(f"https://files.example.com/recordings/recordings/{ours.pk}/")


def test_missing_object_in_the_bucket_is_404(ours: Workspace, bucket: Any) -> None:
    call = answered(ours)
    apply_egress(call, complete(call, key="recordings/gone.ogg"), at=timezone.now())

    response = make.client(ours).get(f"/calls/{call.pk}/recording")

    assert (response.status_code, response.json()) == (404, {"detail": "Recording not found"})


def test_unreachable_s3_is_reported_in_words(
    ours: Workspace, bucket: Any, settings: Settings
) -> None:
    call = answered(ours)
    in_bucket(bucket, call)
    settings.S3_ENDPOINT_URL = "http://127.0.0.1:9"

    response = make.client(ours).get(f"/calls/{call.pk}/recording")

    assert (response.status_code, response.json()) == (
        500,
        {"detail": "S3 error: could not be reached"},
    )


def test_missing_bucket_is_the_operators_mistake_and_told(
    ours: Workspace, bucket: Any, settings: Settings
) -> None:
    call = answered(ours)
    in_bucket(bucket, call)
    settings.S3_BUCKET = "elsewhere"

    response = make.client(ours).get(f"/calls/{call.pk}/recording")

    assert (response.status_code, response.json()) == (
        500,
        {"detail": "S3 error: the bucket does not exist"},
    )


def test_prune_deletes_objects_from_the_bucket(ours: Workspace, bucket: Any) -> None:
    Workspace.unscoped.filter(pk=ours.pk).update(recording_retention_days=1)
    call = answered(ours)
    in_bucket(bucket, call)
    Recording.unscoped.update(ready_at=timezone.now() - timedelta(days=2))

    call_command("prune")

    assert bucket.list_objects_v2(Bucket="recordings")["KeyCount"] == 0
