"""What ingest refuses before it reads a pixel: the wrong folder, lost classes, missing masks, too many files."""
