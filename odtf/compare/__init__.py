"""Runs side by side: methods, and the same networks alone, over the same data and seeds."""
