"""The JSON API under /api/v1: what terminals speak to. Pages have their own package."""
