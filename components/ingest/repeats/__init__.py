"""Finds pictures that a source has twice, and keeps them in one split."""
