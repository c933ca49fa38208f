"""The DAG, its parameters, what Kubernetes is told of the steps; compiled to YAML."""
