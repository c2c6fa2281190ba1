"""What all pages of the hub share: areas and who may come in, the frame, plugins' pages, errors, the service point."""
