"""The library for Python: copy edgeship_contract, or put this folder on the path."""
