"""The record that a run leaves: where it lies, who may write it when, and what a run's name tells."""
