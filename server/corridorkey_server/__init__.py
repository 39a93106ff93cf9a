"""How a frame gets to the keyer and back: sequences, batches and the command line."""
