"""What every page of the admin stands on: base classes, login and the second factor."""
