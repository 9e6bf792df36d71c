"""What is served over HTTP: the URL table, the handlers, and what every answer has in common."""
