"""Steps that are about the run itself: its check, a sweep's proposals, and what it ends with if nothing is pushed."""
