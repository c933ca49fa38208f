"""Step: checks every tile, and writes the shards of one partition."""
