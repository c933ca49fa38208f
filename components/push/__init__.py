"""Step: builds the served model, verifies it in a fresh process, publishes it."""
