"""The verbs of batches: taking lists in, moving a batch through its states, and what people decide
by hand.
"""
