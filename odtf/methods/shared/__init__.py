"""Parts that several methods are made of; none of them is a method."""
