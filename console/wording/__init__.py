"""What the console calls things, in which language."""
