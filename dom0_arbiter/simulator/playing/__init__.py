"""Plays a scenario under one policy, and says what came of it: figures, requests, expectations, a record."""
