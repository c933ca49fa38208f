"""Trainings in one process, on generated tiles in memory: what experiments on learning are made of."""
