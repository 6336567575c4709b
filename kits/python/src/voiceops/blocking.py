"""What is written by hand on top of the generated methods."""

import time
from collections.abc import Iterator
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Unpack

from voiceops._generated import bodies, models, operations
from voiceops.errors import ConnectionFailed
from voiceops.lookup import exactly_one
from voiceops.progress import POLL_SECONDS, Watch, is_stream, progress_request
from voiceops.requests import Request
from voiceops.uploads import Source, read_file, results_request


class Agents(operations.Agents):
    """`/agents`."""

    def find(self, name: str) -> models.Agent:
        """Return the agent with this name. Raises NotListed, NotUnique."""
        found = [each for each in self.list(search=name) if each.name == name]
        return exactly_one(found, f"agent named {name!r}", "agents")


class PhoneNumbers(operations.PhoneNumbers):
    """`/phone-numbers`."""

    def find(self, phone_number: str) -> models.PhoneNumber:
        """Return the registered number. Raises NotListed."""
        found = [each for each in self.list() if each.phone_number == phone_number]
        return exactly_one(found, f"phone number {phone_number}", "phone-numbers")


class Batches(operations.Batches):
    """`/batches`."""

    def upload(
        self,
        file: Source,
        *,
        file_name: str | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[bodies.NewBatchUploadRequest],
    ) -> models.Batch:
        """Create a batch from a CSV or XLSX file. The server reads it in the background."""
        source = read_file(file, file_name)
        body = {"name": Path(source.name).stem, **fields}
        request = Request(
            "POST", "/batches", body=body, file=source, idempotency_key=idempotency_key
        )
        return self._send(request, models.Batch)

    def preview_upload(
        self,
        file: Source,
        *,
        file_name: str | None = None,
        **fields: Unpack[bodies.NewPreviewUploadRequest],
    ) -> models.Preview:
        """Return what uploading the file would do. Nothing is stored."""
        source = read_file(file, file_name)
        request = Request("POST", "/batches/preview", body=dict(fields), file=source)
        return self._send(request, models.Preview)

    def append_upload(
        self,
        batch_id: str,
        file: Source,
        *,
        file_name: str | None = None,
        **fields: Unpack[bodies.MoreRecipientsUploadRequest],
    ) -> models.Batch:
        """Append the rows of a file to a batch."""
        source = read_file(file, file_name)
        request = Request("POST", f"/batches/{batch_id}/recipients", body=dict(fields), file=source)
        return self._send(request, models.Batch)

    def watch(
        self, batch_id: str, *, poll_seconds: float = POLL_SECONDS
    ) -> Iterator[models.Progress]:
        """Yield the progress, about once a second, until the batch has ended.

        Survives a restart of the server. Raises ApiError, and ConnectionFailed when the server
        stays away.
        """
        watch = Watch()
        while not watch.is_over:
            try:
                yield from self._follow(batch_id, watch)
            except ConnectionFailed as error:
                watch.record_failure(error)
            if not watch.is_over:
                time.sleep(poll_seconds)

    def wait(self, batch_id: str) -> models.Batch:
        """Return the batch when it has ended."""
        for _ in self.watch(batch_id):
            pass
        return self.get(batch_id)

    def save_results(self, batch_id: str, file: str | PathLike[str]) -> Path:
        """Write the results into a .csv or .xlsx file, as they arrive. Returns its path."""
        target = Path(file)
        with self._transport.stream(results_request(batch_id, target)) as response:
            try:
                with target.open("wb") as out:
                    for chunk in response.iter_bytes():
                        out.write(chunk)
            except BaseException:
                # Half of the results look like all of them.
                with suppress(OSError):
                    target.unlink()
                raise
        return target

    def _follow(self, batch_id: str, watch: Watch) -> Iterator[models.Progress]:
        watch.begin_stream()
        with self._transport.stream(progress_request(batch_id)) as response:
            if not is_stream(response):
                yield watch.read(response.read())
                return
            for line in response.iter_lines():
                progress = watch.read_line(line)
                if progress is not None:
                    yield progress


class Suppressions(operations.Suppressions):
    """`/suppressions`."""

    def upload(
        self,
        file: Source,
        *,
        file_name: str | None = None,
        **fields: Unpack[bodies.SuppressionUploadRequest],
    ) -> models.SuppressionImport | models.ImportedSuppressions:
        """Suppress the numbers of a file. A long one is read in the background."""
        request = Request(
            "POST",
            "/suppressions/import",
            body=dict(fields),
            file=read_file(file, file_name),
        )
        response = self._transport.send(request)
        kind = (
            models.SuppressionImport if response.status_code == 201 else models.ImportedSuppressions
        )
        return kind.model_validate_json(response.content)
