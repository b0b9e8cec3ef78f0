"""The domain of Dailies. Knows nothing of Celery, HTTP servers or terminals."""
