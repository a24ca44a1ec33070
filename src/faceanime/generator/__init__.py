"""Networks that draw the face, their inputs, and their critics."""
