"""The demo: a whole town on one computer, with synthetic cards. Nothing here runs in production."""
