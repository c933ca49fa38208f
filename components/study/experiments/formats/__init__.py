"""How long an epoch takes by its way from the disk into the steps: folders, TFRecords, shards; and by strategy."""
