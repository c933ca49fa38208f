"""The documents of runs: what started them, what came of them, and what they cost."""
