"""How anything is measured fairly on a busy machine: sides take turns, and what counts is the ratio within a round."""
