"""How workers meet, share a batch, agree, and end together."""
