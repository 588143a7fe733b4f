"""`python -m pipelines.run` is `nextplay run`."""

from pipelines.operator.cli import main

if __name__ == "__main__":
    main(["run"])
