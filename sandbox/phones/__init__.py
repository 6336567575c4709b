"""The phones behind the numbers: how each answers a call, or makes one."""
