"""Time travel: 60 days of players and as many nights of the real pipeline, to say what freshness is worth."""
