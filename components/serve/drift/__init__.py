"""What the server has answered, as sums: shown on a path, and written to a place window by window."""
