"""Averaged and delayed gradient descent: simulated in one process, and beside it what real workers do."""
