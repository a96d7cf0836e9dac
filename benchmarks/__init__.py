"""What Shoebox claims to be good at, measured: each file is a command that writes a table."""
