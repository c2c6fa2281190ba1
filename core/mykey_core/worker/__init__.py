"""What runs beside requests: jobs of plugins by their schedules, on huey, and webhooks (docs/adr/0092)."""
