"""The commands of the command line, each on top of the engine, none importing torch."""
