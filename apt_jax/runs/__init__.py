"""A run: from a configuration to a report, in a work directory."""
