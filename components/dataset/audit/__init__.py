"""Does a dataset hold what its manifest says, and are its splits apart?"""
