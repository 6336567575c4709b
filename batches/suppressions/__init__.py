"""Numbers a workspace must never call: kept one by one or in lists, asked at upload and again before every call."""
