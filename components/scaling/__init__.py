"""How the time and the cost of a training depend on the number of its workers: a model in numpy alone."""
