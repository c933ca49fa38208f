"""Where the candidate is weak: slices of the test split, changed images, and the labels that it doubts."""
