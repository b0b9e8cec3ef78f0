"""The doors for people: the command line, later the HTTP API and web pages."""
