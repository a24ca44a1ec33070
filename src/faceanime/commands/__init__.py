"""The verbs of the command line: dataclasses whose fields are the options and whose `run` does the work."""
