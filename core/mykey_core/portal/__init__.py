"""What the hub's own pages need from the core: web sessions, signing in with a card, rates, staff and messages."""
