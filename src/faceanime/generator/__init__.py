"""Networks that draw the face: the paper's prior-guided generator, its rivals, and their critics."""
