"""Values that pass between the stages: frozen, validated dataclasses."""
