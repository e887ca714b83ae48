"""The collector: receive → decode → sieve → summarise → seal → spool → ship. One small headless process.

It reads logs, never traffic; it opens no page and no port but its syslog listeners; only metadata leaves. Never imports
`cyberalarm.central`.
"""
