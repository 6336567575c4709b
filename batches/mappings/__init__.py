"""Column mappings kept under a name: what was told of a list's columns once is known of every later one like it."""
