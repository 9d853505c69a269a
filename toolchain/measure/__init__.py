"""Latency and memory: launches, their order, and the observations that are kept."""
