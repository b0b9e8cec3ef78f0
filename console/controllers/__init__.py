"""One controller per command: it acts and returns an answer, and draws nothing."""
