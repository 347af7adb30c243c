"""One played guest: programs, a kernel, a balloon driver, an agent with the real one's decisions, and a character."""
