"""The same as voiceops.blocking, for asyncio."""

import asyncio
from collections.abc import AsyncIterator
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


class AsyncAgents(operations.AsyncAgents):
    """`/agents`."""

    async def find(self, name: str) -> models.Agent:
        """Return the agent with this name. Raises NotListed, NotUnique."""
        found = [each async for each in self.list(search=name) if each.name == name]
        return exactly_one(found, f"agent named {name!r}", "agents")


class AsyncPhoneNumbers(operations.AsyncPhoneNumbers):
    """`/phone-numbers`."""

    async def find(self, phone_number: str) -> models.PhoneNumber:
        """Return the registered number. Raises NotListed."""
        found = [each async for each in self.list() if each.phone_number == phone_number]
        return exactly_one(found, f"phone number {phone_number}", "phone-numbers")


class AsyncBatches(operations.AsyncBatches):
    """`/batches`."""

    async def upload(
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
        return await self._send(request, models.Batch)

    async def preview_upload(
        self,
        file: Source,
        *,
        file_name: str | None = None,
        **fields: Unpack[bodies.NewPreviewUploadRequest],
    ) -> models.Preview:
        """Return what uploading the file would do. Nothing is stored."""
        source = read_file(file, file_name)
        request = Request("POST", "/batches/preview", body=dict(fields), file=source)
        return await self._send(request, models.Preview)

    async def append_upload(
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
        return await self._send(request, models.Batch)

    async def watch(
        self, batch_id: str, *, poll_seconds: float = POLL_SECONDS
    ) -> AsyncIterator[models.Progress]:
        """Yield the progress, about once a second, until the batch has ended.

        Survives a restart of the server. Raises ApiError, and ConnectionFailed when the server
        stays away.
        """
        watch = Watch()
        while not watch.is_over:
            try:
                async for progress in self._follow(batch_id, watch):
                    yield progress
            except ConnectionFailed as error:
                watch.record_failure(error)
            if not watch.is_over:
                await asyncio.sleep(poll_seconds)

    async def wait(self, batch_id: str) -> models.Batch:
        """Return the batch when it has ended."""
        async for _ in self.watch(batch_id):
            pass
        return await self.get(batch_id)

    async def save_results(self, batch_id: str, file: str | PathLike[str]) -> Path:
        """Write the results into a .csv or .xlsx file, as they arrive. Returns its path."""
        target = Path(file)
        async with self._transport.stream(results_request(batch_id, target)) as response:
            try:
                with target.open("wb") as out:
                    async for chunk in response.aiter_bytes():
                        out.write(chunk)
            except BaseException:
                # Half of the results look like all of them.
                with suppress(OSError):
                    target.unlink()
                raise
        return target

    async def _follow(self, batch_id: str, watch: Watch) -> AsyncIterator[models.Progress]:
        watch.begin_stream()
        async with self._transport.stream(progress_request(batch_id)) as response:
            if not is_stream(response):
                yield watch.read(await response.aread())
                return
            async for line in response.aiter_lines():
                progress = watch.read_line(line)
                if progress is not None:
                    yield progress


class AsyncSuppressions(operations.AsyncSuppressions):
    """`/suppressions`."""

    async def upload(
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
        response = await self._transport.send(request)
        kind = (
            models.SuppressionImport if response.status_code == 201 else models.ImportedSuppressions
        )
        return kind.model_validate_json(response.content)
