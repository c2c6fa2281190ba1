"""What the town sees and publishes: sums for the dashboard, open data without persons, and GOFS files."""
