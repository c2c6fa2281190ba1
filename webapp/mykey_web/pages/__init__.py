"""The pages that the hub serves to browsers: the service point. The JSON API is not here.

The application factory registers `blueprint`; it needs no prefix.
"""

from mykey_web.pages.point import blueprint

__all__ = ["blueprint"]
