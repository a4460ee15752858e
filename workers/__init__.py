"""Celery: the app, its thin tasks, and the scheduler that rings the bell. A doorbell, never the memory."""
