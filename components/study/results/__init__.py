"""A study's results: the machine, the document, and the page that is made of it."""
