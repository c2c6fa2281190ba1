"""Test certificates: a small free-form hierarchy, and the test JPKI's CRL and OCSP service."""
