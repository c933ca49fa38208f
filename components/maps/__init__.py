"""Not a step: maps of whole fields, from a GeoTIFF or a folder of tiles, by a pushed model."""
