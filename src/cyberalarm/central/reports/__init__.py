"""Member Summary Threat Reports and trend reports: figures, words, charts, HTML, PDF and CSV.

The only package that uses typst, vl_convert and maxminddb.
"""
