"""The HTML report of the evaluation, a section a file; bounded, however many tiles and classes there are."""
