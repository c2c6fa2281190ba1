"""What happened, appended and never changed. Records hold codes and pairwise references, no personal data."""
