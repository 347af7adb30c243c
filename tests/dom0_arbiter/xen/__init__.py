"""The adapters' pure parts and their behaviour towards a peer that we play. The real peers are in tests/integration."""
