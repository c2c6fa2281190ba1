"""What a terminal uploads: records, their chain, the clock, the card's proof. Pure functions; storing is elsewhere."""
