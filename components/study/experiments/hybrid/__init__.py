"""Hybrid parallelism: where networks have their weights and multiplications, and what devices send each other."""
