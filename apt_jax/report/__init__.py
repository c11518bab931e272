"""Tables, figures, pages: reads results, computes nothing."""
