"""Worker's wing, its top: from a spec to an exported model."""
