"""`python -m ops.cli`: the command line of this very installation, whatever PATH finds first."""

from ops.cli import main

if __name__ == "__main__":
    main()
