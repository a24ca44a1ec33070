"""What files of face models are called, apart from the code that reads them, which is slow to load."""

MORPHABLE_KIND = "morphable"
"""The kind in the header of a model's file."""
BUNDLED = "morphable.safetensors"
"""Name of the bundled model's file."""
