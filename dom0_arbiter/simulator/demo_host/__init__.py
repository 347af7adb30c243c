"""The host of `aerostat demo`, in real time: a real xenstore protocol, real agents and the real arbiter."""
