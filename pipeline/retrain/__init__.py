"""Starts a run when the source has changed enough, and one run per change."""
