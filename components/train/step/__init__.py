"""One step: augment, loss, gradient, learning rate."""
