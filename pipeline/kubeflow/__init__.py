"""A run on Kubeflow Pipelines: upload, start, follow."""
