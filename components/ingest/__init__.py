"""Step: lists a source, pairs its files, splits by field, plans the shards; reads no pixels."""
