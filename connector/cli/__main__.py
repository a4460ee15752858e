"""`python -m connector.cli`: the same as `connector`."""

from connector.cli import main

if __name__ == "__main__":
    main()
