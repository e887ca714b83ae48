"""The command line: `cyberalarm NOUN VERB`. Only results go to stdout; progress goes to stderr on a terminal.

Exit codes: 0 done · 1 something failed, said in words · 2 the command was not understood · 3 done, but something needs attention.
"""
