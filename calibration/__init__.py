"""Representative data: datasets, preprocessing, sample selection, ranges and the portable quantizer."""
