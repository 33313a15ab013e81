"""Pictures: read from files, decoded, and freed of metadata."""
