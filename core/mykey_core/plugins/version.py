"""The version of the plugin API. Minor versions add, major versions may remove."""

API_VERSION = (0, 2)
"""(major, minor) of the API that this hub offers."""
