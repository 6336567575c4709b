"""The telephones behind the numbers: how each one takes a call, or makes one."""
