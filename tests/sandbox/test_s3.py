"""The sandbox's S3 server, through boto3: objects, and wrong signatures."""

import re
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError
from livekit.protocol.egress import S3Upload

from tests import sandbox_server
from tests.sandbox_server import RunningSandbox


def client(box: RunningSandbox, **changes: Any) -> Any:
    settings = {
        "aws_access_key_id": "sandbox",
        "aws_secret_access_key": "sandbox",
        "region_name": "eu-west-1",
    }
    config = Config(
        signature_version=changes.pop("version", "s3v4"),
        s3={"addressing_style": "path"},
        retries={"total_max_attempts": 1},
    )
    return boto3.client(
        "s3", endpoint_url=f"{box.url}/s3", config=config, **{**settings, **changes}
    )


@pytest.fixture
def box() -> Iterator[RunningSandbox]:
    with sandbox_server.start() as running:
        client(running).create_bucket(
            Bucket="rec", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        yield running


def refusal(error: Any) -> tuple[int, str]:
    response = error.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_object_is_stored_unchanged(box: RunningSandbox) -> None:
    s3 = client(box)

    s3.put_object(Bucket="rec", Key="w1/ä b+c.ogg", Body=b"sound", ContentType="audio/ogg")

    got = s3.get_object(Bucket="rec", Key="w1/ä b+c.ogg")
    assert (got["Body"].read(), got["ContentType"], got["ContentLength"]) == (
        b"sound",
        "audio/ogg",
        5,
    )
    assert (
        s3.get_object(Bucket="rec", Key="w1/ä b+c.ogg", Range="bytes=1-2")["Body"].read() == b"ou"
    )
    assert s3.head_object(Bucket="rec", Key="w1/ä b+c.ogg")["ContentLength"] == 5
    s3.delete_object(Bucket="rec", Key="w1/ä b+c.ogg")
    s3.delete_object(Bucket="rec", Key="w1/ä b+c.ogg")
    with pytest.raises(ClientError) as gone:
        s3.get_object(Bucket="rec", Key="w1/ä b+c.ogg")
    assert refusal(gone) == (404, "NoSuchKey")


def test_missing_objects_and_buckets_give_s3s_errors(box: RunningSandbox) -> None:
    s3 = client(box)

    with pytest.raises(ClientError) as head:
        s3.head_object(Bucket="rec", Key="none")
    with pytest.raises(ClientError) as bucket:
        s3.put_object(Bucket="none", Key="x", Body=b"")

    assert [refusal(head), refusal(bucket)] == [(404, "404"), (404, "NoSuchBucket")]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"aws_secret_access_key": "wrong"}, (403, "SignatureDoesNotMatch")),
        ({"aws_access_key_id": "wrong"}, (403, "InvalidAccessKeyId")),
        ({"version": "s3"}, (400, "InvalidRequest")),
    ],
)
def test_wrong_signature_is_refused(
    box: RunningSandbox, changes: dict[str, str], expected: tuple[int, str]
) -> None:
    with pytest.raises(ClientError) as error:
        client(box, **changes).put_object(Bucket="rec", Key="x", Body=b"")

    assert refusal(error) == expected


def presigned(box: RunningSandbox, **changes: Any) -> str:
    s3 = client(box)
    s3.put_object(Bucket="rec", Key="a b.ogg", Body=b"sound", ContentType="audio/ogg")
    parameters = {
        "Bucket": "rec",
        "Key": "a b.ogg",
        "ResponseContentDisposition": 'attachment; filename="a.ogg"',
    }
    values = {"Params": parameters, "ExpiresIn": 60, **changes}
    return str(client(box).generate_presigned_url("get_object", **values))


def code(response: requests.Response) -> tuple[int, str, str]:
    found = re.search(r"<Code>(.*)</Code><Message>(.*)</Message>", response.text)
    assert found
    return response.status_code, found[1], found[2]


def test_signed_link_serves_whole_objects_and_ranges(box: RunningSandbox) -> None:
    link = presigned(box)

    whole = requests.get(link, timeout=5)
    part = requests.get(link, headers={"Range": "bytes=0-1"}, timeout=5)

    assert (whole.status_code, whole.content) == (200, b"sound")
    assert whole.headers["Content-Disposition"] == 'attachment; filename="a.ogg"'
    assert (part.status_code, part.content) == (206, b"so")


def test_signed_link_is_valid_for_one_method_object_and_time(box: RunningSandbox) -> None:
    link, short = presigned(box), presigned(box, ExpiresIn=1)
    time.sleep(2.1)

    assert requests.head(link, timeout=5).status_code == 403
    assert (
        code(requests.get(link.replace("a%20b", "other"), timeout=5))[1] == "SignatureDoesNotMatch"
    )
    assert code(requests.get(short, timeout=5)) == (403, "AccessDenied", "Request has expired")
    too_long = presigned(box, ExpiresIn=8 * 24 * 3600)
    assert code(requests.get(too_long, timeout=5))[:2] == (400, "AuthorizationQueryParametersError")


def test_request_without_a_signature_is_refused(box: RunningSandbox) -> None:
    link = presigned(box)

    assert code(requests.get(link.partition("?")[0], timeout=5)) == (
        403,
        "AccessDenied",
        "Access Denied",
    )


def test_configured_bucket_exists_from_the_start() -> None:
    with sandbox_server.start(s3=S3Upload(bucket="ours")) as box:
        client(box).put_object(Bucket="ours", Key="k", Body=b"sound")

        assert client(box).get_object(Bucket="ours", Key="k")["Body"].read() == b"sound"
