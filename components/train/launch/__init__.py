"""Launcher's wing: one launch at a time, and where it writes."""
