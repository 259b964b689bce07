"""A store against its model in plain Python (tests/model), over random histories.

Steps: LSMKV_MODEL_STEPS, how many in all, about.
"""

import os

import pytest
from hypothesis import settings
from model.changing import Changing
from model.crashing import Crashing
from model.holding import Holding
from model.naming import Naming
from model.reading import Reading
from model.transacting import Transacting
from model.upkeep import Upkeep
from model.writing import Writing

STEPS = int(os.environ.get("LSMKV_MODEL_STEPS", "1500"))
EACH = 50


class EverythingMachine(Writing, Changing, Reading, Holding, Upkeep, Naming, Transacting, Crashing):
    """All at once: power cuts of namespaces whose values expire while cursors stand in transactions."""


class TransactionMachine(Transacting, Naming, Upkeep):
    """Transactions, and those who come between."""


class CrashMachine(Writing, Upkeep, Naming, Crashing):
    """Writes, and what a crash leaves of them."""


def played(machine, share):
    """The test case that spends `share` of all steps on a machine."""
    case = machine.TestCase
    case.settings = settings(
        max_examples=max(1, int(STEPS * share) // EACH),
        stateful_step_count=EACH,
    )
    case.pytestmark = [pytest.mark.timeout(3600 if STEPS > 10_000 else 300)]
    return case


TestEverything = played(EverythingMachine, 1 / 2)
TestTransactions = played(TransactionMachine, 1 / 4)
TestCrashes = played(CrashMachine, 1 / 4)
