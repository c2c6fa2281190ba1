"""The tap: a challenge for a terminal, the proof of a card, one plugin's act, one commit."""
