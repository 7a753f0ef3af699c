"""`python -m hub` is the command `bookinghub`."""

from hub.cli import main

main()
