"""The parts of tests/fuzz.py: what is mutated, how, what is done with it, and how that is judged."""
