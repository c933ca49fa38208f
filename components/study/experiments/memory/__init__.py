"""Can one train on data that do not fit in memory? Trainings under a limit, and peak memory by size of the data."""
