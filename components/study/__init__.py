"""The study: claims first, arms that differ in one thing, rounds fixed beforehand, and a verdict on each claim."""
