"""Networks, each the function of the file of its name; `odtf.models` and configs find them there by it."""
