"""Is a new version as good as the one that serves, by what both have answered? Promotes it, or withdraws it."""
