"""Runs the experiments one after the other, keeps what each found, and joins it to the study's result."""
