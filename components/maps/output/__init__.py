"""What comes of a map: a probability mosaic, regions as GeoJSON, and one page to look at."""
