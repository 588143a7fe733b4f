"""`python -m pipelines.operator.promote` is `nextplay promote`."""

import sys

from pipelines.operator.cli import main

if __name__ == "__main__":
    main(["promote", *sys.argv[1:]])
