"""States and transitions of cut, shot, take and step; what happens next."""
