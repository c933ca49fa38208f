"""The data report that merge writes: bands, classes, maps of fields, tiles to look at."""
