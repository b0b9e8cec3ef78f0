"""What all tests share: hypothesis profiles, and signals as a terminal gives them.

The default one tries the same examples every time, so that a failure is the change's own. Look for new
ones with ``pytest --hypothesis-profile=thorough``.
"""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# A job in the background of a script has Ctrl-C ignored, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)

settings.register_profile("dailies", derandomize=True, deadline=None, suppress_health_check=_SLOW)
settings.register_profile("thorough", deadline=None, max_examples=1000, suppress_health_check=_SLOW, print_blob=True)
settings.load_profile("dailies")
