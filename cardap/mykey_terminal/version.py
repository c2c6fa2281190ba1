"""The version that a terminal tells the hub: that of the installed distribution."""

from __future__ import annotations

from importlib.metadata import version

VERSION = version("mykey")
