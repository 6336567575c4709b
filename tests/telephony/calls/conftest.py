import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from tests import sandbox_server
from tests.intake_thread import applying_events
from tests.sandbox_server import RunningSandbox


@pytest.fixture
def box(
    settings: Settings, transactional_db: None, live_server: LiveServer
) -> Iterator[RunningSandbox]:
    """A sandbox with agent and telephones, whose webhooks and reports reach a live server."""
    settings.PUBLIC_URL = live_server.url
    webhook_url = f"{live_server.url}/livekit/webhook"
    with sandbox_server.start(speed=50, webhook_url=webhook_url) as running, applying_events():
        settings.LIVEKIT_URL, settings.DATA_DIR = running.url, running.data_dir
        settings.LIVEKIT_API_KEY, settings.LIVEKIT_API_SECRET = running.api_key, running.api_secret
        yield running
    # The web server still handles the sandbox's last requests, and the flush would wait for its
    # locks.
    time.sleep(0.5)


@pytest.fixture
def bucket(settings: Settings) -> Iterator[Any]:
    """The bucket of an S3 server on loopback, to which the settings point."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings.RECORDINGS_STORAGE = "s3"
    settings.S3_BUCKET = "recordings"
    settings.S3_REGION = "eu-central-1"
    settings.S3_ENDPOINT_URL = f"http://{host}:{port}"
    # Its memory outlives a server.
    requests.post(f"{settings.S3_ENDPOINT_URL}/moto-api/reset", timeout=10)
    settings.S3_ACCESS_KEY_ID, settings.S3_SECRET_ACCESS_KEY = "testing", "testing"
    client = boto3.client(
        "s3",
        endpoint_url=settings.S3_ENDPOINT_URL,
        region_name=settings.S3_REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    client.create_bucket(
        Bucket="recordings", CreateBucketConfiguration={"LocationConstraint": settings.S3_REGION}
    )
    yield client
    client.close()
    server.stop()
