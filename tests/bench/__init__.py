"""What the arbiter costs: `./dev bench`. Figures, not tests: a machine's noise is no fault of the code."""
