"""Step: check, reuse or train, and write the receipt last; its two wings share only settings/."""
