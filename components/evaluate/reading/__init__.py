"""One pass over a split: models answer its tiles, and what they say lies on disk in columns."""
