"""From what was measured to a verdict on each claim: pure functions, which know no machine."""
