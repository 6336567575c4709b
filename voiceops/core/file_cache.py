"""Django's cache of files, which a full disk only makes forget."""

from typing import Any

from django.core.cache.backends import filebased

from voiceops.core.disk_space import is_disk_full


class FileCache(filebased.FileBasedCache):
    """What cannot be stored on a full disk is forgotten, instead of failing a request."""

    def set(self, key: Any, value: Any, *arguments: Any, **named: Any) -> None:
        """Store a value, if there is room. Raises OSError for another failure than a full disk."""
        try:
            super().set(key, value, *arguments, **named)
        except OSError as error:
            if not is_disk_full(error):
                raise
