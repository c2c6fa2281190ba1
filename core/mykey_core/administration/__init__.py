"""What an administrator does and sees: settings and grants with history, campaigns, jobs, searching the audit."""
