"""What is true about people, cards and trust: the rules of the hub, without any web framework."""
