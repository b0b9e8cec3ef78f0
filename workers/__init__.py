"""The Celery app, queues, pools, the embedded stack and the composition root."""
