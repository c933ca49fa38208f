"""Arms of a comparison as data: what each trains on, how and where; and proof that they differ in one thing only."""
