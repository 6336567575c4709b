"""What goes wrong with providers, in one sentence for the operator."""


class ProviderError(Exception):
    """A provider, or the package or key that it needs, is missing or refuses its options."""
