"""What a member sees: its state in plain words, sites and collectors, findings, reports, the certificate."""
