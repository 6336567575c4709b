from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import Workspace
from tests import make

LIST = b"phone,name\n+12025550101,Ada\n+12025550102,Grace\n"
KEY = {"Idempotency-Key": "upload"}


def test_a_repeated_upload_creates_one_batch(ours: Workspace) -> None:
    client, agent, number = make.client(ours), make.agent(ours), make.phone_number(ours)

    def upload(content: bytes) -> tuple[int, str, str | None]:
        fields = {"name": "List", "agent_id": str(agent.pk), "phone_number_id": str(number.pk)}
        file = SimpleUploadedFile("list.csv", content, content_type="text/csv")
        response = client.post(
            "/batches", {**fields, "file": file}, format="multipart", headers=KEY
        )
        body = response.json()
        return (
            response.status_code,
            body.get("id") or body["detail"],
            response.get("Idempotent-Replay"),
        )

    first, again, other = upload(LIST), upload(LIST), upload(LIST + b"+12025550103,Eve\n")

    batch = ours.batches.get()
    assert (first, again) == ((201, str(batch.pk), None), (201, str(batch.pk), "true"))
    assert other == (409, "Idempotency key reused with a different request", None)
