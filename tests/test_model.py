"""A store against its model in plain Python (tests/model), over random histories.

Steps: LSMKV_MODEL_STEPS, how many in all, about.
"""

import os

import pytest
from hypothesis import HealthCheck, settings
from model.changing import Changing
from model.crashing import Crashing
from model.reading import Reading
from model.writing import Writing

STEPS = int(os.environ.get("LSMKV_MODEL_STEPS", "1500"))
EACH = 50


class StoreMachine(Writing, Changing, Reading, Crashing):
    """Everything at once: crashes of namespaces with transactions over values that expire while cursors stand."""


TestStore = StoreMachine.TestCase
TestStore.settings = settings(
    max_examples=max(1, STEPS // EACH),
    stateful_step_count=EACH,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
TestStore.pytestmark = [pytest.mark.timeout(3600 if STEPS > 10_000 else 300)]
