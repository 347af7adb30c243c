"""The peers' policies, from their published formulas, each with its own reporting period and limits.

Each file has the peer's formula as a pure function, and a `Rival` that plays it on a `World`. May import simulator,
engine's words for samples, and the standard library; nothing of our own policy.
"""
