"""What is to be played: read from a scenario file or made from a trace, checked, and handed on as plain values."""
