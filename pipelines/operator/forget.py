"""`python -m pipelines.operator.forget` is `nextplay forget`."""

import sys

from pipelines.operator.cli import main

if __name__ == "__main__":
    main(["forget", *sys.argv[1:]])
