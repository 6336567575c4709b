from typing import Any


def without_nuls(value: Any) -> Any:
    """Return parsed JSON without NUL characters in its texts and names; PostgreSQL stores none."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [without_nuls(item) for item in value]
    if isinstance(value, dict):
        return {without_nuls(name): without_nuls(item) for name, item in value.items()}
    return value
