"""What a run costs: prices by node-pool profile, and the money and energy that the seconds of its pods come to."""
