"""Step: adds the receipts up to a dataset, and refuses what is unfit to train on."""
