"""Files on their way to the API, and from it."""

from os import PathLike
from pathlib import Path
from typing import IO

from voiceops.requests import File, Request

Source = str | PathLike[str] | bytes | IO[bytes]
RESULT_FORMATS = {".csv": "results.csv", ".xlsx": "results.xlsx"}


def read_file(source: Source, file_name: str | None = None) -> File:
    """Return a list to upload: a path, its content, or a file opened for reading bytes.

    It is read whole, so that a retry can send it again; servers accept 50 MB unless they are
    told otherwise.
    """
    if isinstance(source, bytes):
        return File(file_name or "list.csv", source)
    if isinstance(source, str | PathLike):
        path = Path(source)
        return File(file_name or path.name, path.read_bytes())
    return File(file_name or Path(str(getattr(source, "name", "list.csv"))).name, source.read())


def results_request(batch_id: str, target: Path) -> Request:
    """Return the request for results in the format that the file's name asks for.

    Raises ValueError for another one.
    """
    if target.suffix not in RESULT_FORMATS:
        raise ValueError(f"Results are written as .csv or .xlsx, not as {target.name}")
    path = f"/batches/{batch_id}/{RESULT_FORMATS[target.suffix]}"
    return Request("GET", path, accept="*/*")
