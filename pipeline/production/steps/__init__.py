"""What each kind of step does; one module per kind, each with ``execute(work) -> effect``."""
