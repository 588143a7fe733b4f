"""The evaluation of the system: whole nights before held-back plays, and what they served against these."""
