"""What a model with a dense head says of places: watched in the passes over val and test, and scored by field."""
