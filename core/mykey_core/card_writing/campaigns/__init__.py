"""Writing many cards: the list, the workers, their journal, stop rules and the signed report."""
