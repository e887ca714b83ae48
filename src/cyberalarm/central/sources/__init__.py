"""The list of sources seen across the network: made every hour, given to collectors."""
