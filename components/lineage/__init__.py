"""No step: what a pushed model comes from, link by link, and whether any of it was changed since."""
