"""How arms are measured: each in its process, one at a time, in rounds that were planned before."""
