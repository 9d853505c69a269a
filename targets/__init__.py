"""One module per runtime an artifact is made for."""
