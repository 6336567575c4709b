"""What can be done with batches and their lists. Each module holds the verbs of one matter."""
