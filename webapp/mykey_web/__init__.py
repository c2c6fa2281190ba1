"""The hub as a Flask application: JSON API, pages, and the demo that starts everything on one computer."""
