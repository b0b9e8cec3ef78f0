"""The people's doors. The command line: ``cli`` parses, a controller acts, views and documents show."""
