"""Which way from the disk into a training step takes how long: folders, TFRecords, shards, and one-device strategies."""
