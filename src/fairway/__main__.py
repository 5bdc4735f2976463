"""`python -m fairway`: the same as the `fairway` command."""

from fairway.cli.app import main

main()
