"""Late fusion: a network and what counting knows beside it, as one model."""
