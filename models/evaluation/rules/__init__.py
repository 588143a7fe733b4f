"""The gate's rules, a file each: what each asks of a candidate, and the sentence that says what it found."""
