"""What the study measures: experiments, a room each, which know nothing of each other."""
