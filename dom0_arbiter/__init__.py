"""What runs in dom0."""
