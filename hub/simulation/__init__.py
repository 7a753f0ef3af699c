"""The playground: stand-ins for outside systems as one child process beside the hub."""
