"""`python -m pipelines.operator.rollback` is `nextplay rollback`."""

import sys

from pipelines.operator.cli import main

if __name__ == "__main__":
    main(["rollback", *sys.argv[1:]])
