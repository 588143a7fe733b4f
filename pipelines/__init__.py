"""When the assets are made, and with which settings."""

import os

from models.cores import usable_cores

# Read when torch loads OpenMP: how long a thread spins before it sleeps. Spinning for ever makes training 25
# times slower where cores are shared (an endpoint beside the nightly run, say), and sleeping at once makes it
# half as fast where they are not.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
# Read when Arrow and torch are imported: they count the cores of the machine, not those of a pod.
os.environ.setdefault("OMP_NUM_THREADS", str(usable_cores()))

# Read when NumPy is imported. Products with an item table are short, and two threads that wait for each other
# on shared cores do a third of what one does.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
