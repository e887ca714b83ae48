"""The virtual appliance's console: first steps asked in plain words, then a screen that says how things are.

It runs as root on the appliance only, writes the collector's configuration and the machine's network, and asks the collector's own
programs for everything else. It opens no port; who can reach the machine's console can use it.
"""
