"""When, and with what things, the assets are made."""

import os

# Read when torch loads OpenMP. On shared cores (an endpoint beside the nightly run, say) threads that
# spin while they wait take the time of those that work: training SASRec was 5 times as fast without.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
