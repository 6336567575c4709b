"""What every page of the admin is built on: base classes, login and the second factor."""
