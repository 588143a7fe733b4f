"""When, and with what things, the assets are made."""
