"""What the arbiter costs on this machine: the engine alone, and all of it over a real xenstore socket."""
