"""The page of nights: who serves since when and why, what the last nights came to, how good it all is."""
