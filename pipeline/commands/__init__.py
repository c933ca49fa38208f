"""The commands of `agrivision`, and their options."""
