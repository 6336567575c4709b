"""One conversation: who begins, who answered, what is heard, said and done, and how it ends."""
