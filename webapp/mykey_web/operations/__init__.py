"""Running a hub: the server, metrics, probes and logs. What a hub does for people is not here."""
