"""How good a result is: metrics of pictures, geometry, identity and motion, and what their numbers are worth."""
