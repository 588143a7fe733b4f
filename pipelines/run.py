"""`python -m pipelines.run` is `nextplay run`."""

from pipelines.start import main

if __name__ == "__main__":
    main(["run"])
