"""Taking lines from devices: UDP and TCP syslog, and files."""
