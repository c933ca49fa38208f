"""Records of runs: made from what Kubeflow or this machine knows, and told to a webhook and a pull request."""
