"""Which number of a recipient is tried when the one before does not exist."""

from batches.models import Recipient


def find_next_position(recipient: Recipient) -> int | None:
    """Return the position of the next number that may be tried; None when there is none.

    Numbers under which the batch has another recipient are passed over: that one is called there.
    """
    numbers = recipient.alternative_numbers[recipient.number_position :]
    if not numbers:
        return None
    others = Recipient.unscoped.filter(
        batch=recipient.batch_id, phone_number__in=numbers, is_duplicate=False
    ).exclude(pk=recipient.pk)
    occupied = set(others.values_list("phone_number", flat=True))
    first = recipient.number_position + 1
    return next((first + at for at, number in enumerate(numbers) if number not in occupied), None)
