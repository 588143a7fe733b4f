"""Our baselines, which need no search: each chooses its settings on validation by itself."""

import numpy as np
from common import Course, Settings, main

from models.baselines import BASELINES
from models.data import Split
from models.scorer import Scorer


def fit(split: Split, settings: Settings, seed: int, course: Course) -> Scorer:
    fitted = BASELINES[settings["baseline"]].fit(split.train, split.validation)
    course.validate(fitted)
    return fitted


if __name__ == "__main__":
    main(fit, {"numpy": np.__version__})
