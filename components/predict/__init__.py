"""Not a step: asks a pushed model about tiles, checked as the shard step checks them."""
