"""SIP2, the protocol between self-check machines and library systems: codec, server and client.

The codec (`framing`, `charset`, `values`, `table`, `requests`, `responses`) does no input or output; who lends what
stands behind `mykey_library.circulation`.
"""

from mykey_library.sip2 import requests, responses

__all__ = ["requests", "responses"]
