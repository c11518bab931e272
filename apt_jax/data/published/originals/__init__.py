"""Fine-grained data sets in the files that their authors publish, a file a data set."""
