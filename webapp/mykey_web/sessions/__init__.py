"""Who is in front of the hub's pages: cookies, the session of a request, CSRF, and the headers of every answer."""
