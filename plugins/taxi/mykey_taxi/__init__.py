"""Ride-share taxi subsidies with the My Number Card: a programme as data, settled to the yen."""
