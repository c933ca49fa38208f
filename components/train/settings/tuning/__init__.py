"""The keys of TRAIN_CONFIG, in parts: network, loss, optimizer, schedule, …."""
