"""A dense head's maps against the pixels of a tile: the class that each shows, how often it is right, and from when."""
