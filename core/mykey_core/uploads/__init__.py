"""Records that terminals made without the hub: received once, in order, unchanged, and handed to their service."""
