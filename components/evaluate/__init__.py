"""Step: calibration and thresholds on val, scores on test, production on the same tiles; its report."""
