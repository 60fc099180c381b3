"""From a path to a call: which handler serves it, and with which arguments."""
