"""What a run will take in time and money, before it starts."""
