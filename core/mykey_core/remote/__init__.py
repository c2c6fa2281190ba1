"""Plugins that run outside the hub: what they are told by webhooks, and what they may sign people in with.

HTTP that comes in (the OpenID provider, the REST interface) is in `mykey_web`.
"""
