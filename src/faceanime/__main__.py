"""`python -m faceanime`."""

import sys

from faceanime.cli import main

if __name__ == "__main__":
    sys.exit(main())
