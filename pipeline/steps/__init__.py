"""Steps that are about the run itself: its check before anything else, and what it ends with if nothing is pushed."""
