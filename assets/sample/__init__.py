"""An invented world of players whose best possible recommendation is known."""

SEED = 20181114
