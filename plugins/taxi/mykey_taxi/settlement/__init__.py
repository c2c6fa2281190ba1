"""From verdicts to money: cycles, statements, invoices, corrections and the transfer file."""
