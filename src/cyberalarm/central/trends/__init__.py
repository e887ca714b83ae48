"""What is seen over the network: totals, places, rising ports, sources seen at several members."""
