"""Where images come from, one source a file: each lists its images, and `odtf.data.load` makes the splits it lacks."""
