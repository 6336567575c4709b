"""The library of public holidays, imported when a calling window first asks for one."""

from typing import TYPE_CHECKING

from voiceops.core.lazy_module import LazyModule

if TYPE_CHECKING:
    import holidays
else:
    holidays = LazyModule("holidays")

__all__ = ("holidays",)
