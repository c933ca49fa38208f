"""What launcher and workers both know, as data; the name of a training."""
