"""Wedge mode: a tap becomes a patron number for any program, for library systems without SIP2.

It asks the agent of the terminal on this computer over its loopback API, as the page of the service point does.
"""
