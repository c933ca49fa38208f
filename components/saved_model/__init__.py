"""A model as TensorFlow saves it: its files, what it may compute, and asking it in a process that holds no secrets."""
