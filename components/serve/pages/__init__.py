"""What people and programs read of the server: a page to try a tile, and its paths as OpenAPI and as a page."""
