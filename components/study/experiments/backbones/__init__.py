"""Backbones × bands × augmentation: what each learns, what augmentation changes, and when more epochs do harm."""
