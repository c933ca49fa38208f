"""Checkpoints, written while training goes on, and resumed from."""
