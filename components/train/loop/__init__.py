"""Epochs: train, validate, save, stop; and what watches them."""
