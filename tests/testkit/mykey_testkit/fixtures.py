"""pytest fixtures that every user of the kit gets by installing it."""
