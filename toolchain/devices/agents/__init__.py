"""How the agents of this host are found, built and started."""
