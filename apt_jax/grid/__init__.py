"""Methods x shots x seeds x data sets: many cells from one command, each a file."""
