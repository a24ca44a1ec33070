"""What travels between the stages: frozen, validated values."""
