"""`doctor`: checks each link of the chain, in the order in which a line travels, and says in plain words what is wrong and what
to do.

`examine` gives the checks; `arrivals` shows what comes in while somebody sets up a firewall. Looks only: it opens no listener while
the collector runs, and sends nothing but a signed status request.
"""

from cyberalarm.collector.doctor.check import Check, Verdict, worst
from cyberalarm.collector.doctor.links import examine

__all__ = ["Check", "Verdict", "examine", "worst"]
