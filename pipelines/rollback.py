"""`make rollback`: the champion before this one again; a running endpoint follows within a second."""

import sys

from assets.promotion import PromotionError, rollback
from assets.resources import Home
from pipelines.resources import read_settings


def main() -> int:
    home = Home(path=str(read_settings().home))
    try:
        with home.locked():
            back = rollback(home)
    except PromotionError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"The champion is version {back.version} again.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
