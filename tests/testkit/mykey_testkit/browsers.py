"""Browsers without a window: clients of the hub's pages that keep cookies and send the form's CSRF token."""

from __future__ import annotations
