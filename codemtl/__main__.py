"""``python -m codemtl``: the same as the console script."""

from codemtl.cli import main

if __name__ == "__main__":
    main()
