"""Which tiles a worker reads when, and their way into a batch."""
