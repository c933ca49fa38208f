"""Look-alike datasets for tests, CI and the demo."""
