"""The statistics of an evaluation: sums by field, scores and their intervals, and whether one model is better."""
