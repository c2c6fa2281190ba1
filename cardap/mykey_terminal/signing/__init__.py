"""Signing documents with the signature key of the card: PDF (PAdES) and any file (CAdES).

Verifying is the hub's business and lives in the core.
"""
