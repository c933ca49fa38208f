"""A tile as a record of a shard: formats, decoders, and the table of a split's records."""
