"""Linux machines reached by the system's ssh."""
