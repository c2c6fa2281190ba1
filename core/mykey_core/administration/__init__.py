"""What an administrator does and sees: settings and grants with their history, campaigns, searching the audit, health."""
