"""Has a dataset shifted against an earlier one?"""
