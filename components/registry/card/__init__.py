"""A version's card for people: the facts of card.json as Markdown, with what the model is for and what it is not."""
