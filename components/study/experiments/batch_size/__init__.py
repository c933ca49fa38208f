"""Does the size of a batch matter: after equal epochs, after equal updates, with the rate scaled or not?"""
