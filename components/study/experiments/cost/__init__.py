"""The price of training on the whole dataset: at the speed of this machine, and in the hours that the original took."""
