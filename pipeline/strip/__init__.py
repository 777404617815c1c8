"""Strip: decide which spans of a text are boilerplate and cut them out."""
