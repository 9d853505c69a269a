"""What a run found: the document, its HTML page and what a terminal shows."""
