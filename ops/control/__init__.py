"""The control room: what staff see in the admin beside its tables."""
