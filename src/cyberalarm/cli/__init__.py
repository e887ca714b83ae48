"""The command line: `cyberalarm NOUN VERB`. Only results go to stdout; progress goes to stderr on a terminal.

Exit codes, for all nouns: `printing.ExitCode`. Every command is described in docs/command-line.md.
"""
