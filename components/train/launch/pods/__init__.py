"""Workers as pods of a Job on Kubernetes."""
