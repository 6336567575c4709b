"""One way to turn a provider's failures into refusals in words, for LiveKit, Twilio and S3."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from voiceops.core.errors import ProviderError


@contextmanager
def provider_errors(
    failures: tuple[type[Exception], ...], to_error: Callable[[Exception], ProviderError]
) -> Iterator[None]:
    """Raise what `to_error` makes of any of the client's `failures`; its cause is kept.

    The sentence names the provider and its reason, and never an address or a secret. Raises
    ProviderError.
    """
    try:
        yield
    except failures as error:
        raise to_error(error) from error
