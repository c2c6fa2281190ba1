"""Who issued a certificate, and whether it still stands: anchors, path validation, revocation."""
