"""Ride-share taxi subsidies with the My Number Card: the programme as data, rides on the card, settlement to the yen."""
