"""The steps of the pipeline, and what they share: facts of the dataset, settings, errors, log lines, the registry."""
