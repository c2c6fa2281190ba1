"""What runs at a service point: the terminal's identity, the tap, and the loopback agent for browsers.

It talks to cards through `mykey_cardap` and to the hub over HTTPS; it never imports the hub.
"""
