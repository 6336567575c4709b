"""What came of a workspace's calls, counted."""
