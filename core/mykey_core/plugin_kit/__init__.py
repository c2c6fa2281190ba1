"""What helps to write a plugin: a new plugin's files, and the judgement of one. Running it is the hub's own work."""
