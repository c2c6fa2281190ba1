"""The My Number Card as a library card: a mykey plugin, and the model for others."""
