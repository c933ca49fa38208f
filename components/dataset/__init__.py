"""What shard, merge and the checks of a dataset share: receipts, sums by field, picture digests."""
