"""How the assets reach the outside: files, downloads, the sample, the lake."""
