"""Plays one scenario of the family, case by case, in this process. family.py starts it and reads its log:

12 lsm_write.c:lsm_store_put_method:PyErr_Format#1, execution 2, once      before each case
{"cases": ..., "violations": [...], "sites": {site: [executed, failed]}}    after each
"""

import array
import collections
import faulthandler
import gc
import json
import os
import sys
import types
import warnings

import scenarios
from swallowing import SWALLOWED
from world import World, c_memory, descriptors, faults, thread_count

LEAK_ROUNDS, LEAST_BYTES = 8, 16  # what grows so often, by at least so much a round, leaks

MEMORY_IS_COUNTED = sys.getallocatedblocks() > 0 and c_memory() > 0  # not with the allocator of a sanitizer
MODES = {faults.ONCE: "once", faults.EVER: "for ever", faults.AFTER: "and every site after it"}

Case = collections.namedtuple("Case", "site nth mode")
Outcome = collections.namedtuple("Outcome", "error injected step unraisable")


def names():
    print("\n".join(name for name in scenarios.ALL if MEMORY_IS_COUNTED or name != "canary_memory"))


def site_names():
    """file:function:call#ordinal: stable when lines move."""
    times, named = collections.Counter(), []
    for file, _, function, call in sorted(faults.sites(), key=lambda site: site[:2]):
        key = f"{os.path.basename(file)}:{function}:{call}"
        times[key] += 1
        named.append(f"{key}#{times[key]}")
    order = sorted(range(len(named)), key=lambda i: faults.sites()[i][:2])
    return [name for _, name in sorted(zip(order, named, strict=True))]


# ---- playing -----------------------------------------------------------------------------------


def steps(scenario, argument):
    """Each next() plays a step: up to the next yield, or all of it."""
    played = scenario.play(argument)
    if isinstance(played, types.GeneratorType):
        yield from played


def play(scenario, argument, after_step=lambda: None):
    """What happened. Sites are counted, and fail, only while a step is played."""
    unraisable, error, step = [], None, 0
    hook, sys.unraisablehook = sys.unraisablehook, lambda one: unraisable.append(words_of(one.exc_value))
    played = steps(scenario, argument)
    try:
        while True:
            faults.run(True)
            try:
                next(played)
            finally:
                faults.run(False)
            after_step()
            step += 1
    except StopIteration:
        pass
    except BaseException as raised:
        error = raised
    faults.meanwhile(None)
    played.close()
    del played
    outcome = Outcome(error and words_of(error), scenarios.is_injected(error), step, unraisable)
    error = None
    gc.collect()
    sys.unraisablehook = hook
    return outcome


def words_of(error):
    chain = []
    while error is not None and len(chain) < 4:
        chain.append(f"{type(error).__name__}: {str(error)[:300]}")
        error = error.__cause__ or error.__context__
    return " <- ".join(chain)


def references():
    """Reference counts of what the scenarios share, but for what the interpreter shares with everybody."""
    counts = [sys.getrefcount(one) for one in scenarios.shared_objects()]
    return [0 if count > 1_000_000 else count for count in counts]


# ---- one case ----------------------------------------------------------------------------------


def examine(world, case, key, states):
    """What is wrong with one case, in words."""
    wrong = []
    before = descriptors(), thread_count(), references()
    argument = world.begin()
    world.content()  # as in the rehearsal: what is read once is read in another way from then on
    faults.arm(*case)
    outcome = play(world.scenario, argument, world.content)
    fired = faults.fired()
    faults.arm(-1, 0, faults.ONCE)
    del argument
    allowed = world.scenario.quiet or SWALLOWED.get(key.partition(":")[2].partition("#")[0])
    if not fired:
        wrong.append("the fault did not fire")
    if outcome.error and not outcome.injected:
        wrong.append(f"another error came out: {outcome.error}")
    if not outcome.error and not allowed:
        wrong.append("no error came out")
    if outcome.unraisable and not allowed:
        wrong.append(f"unraisable: {outcome.unraisable}")
    wrong += world.leftovers()
    content = world.content()
    legal = states[outcome.step : outcome.step + 2] if outcome.error else states[-1:]
    between = world.scenario.partial and legal[0].items() <= content.items() <= legal[-1].items()
    if content not in legal and not between:
        wrong.append(f"the content is wrong after step {outcome.step}: {difference(content, legal)}")
    try:
        world.use()
    except Exception as error:
        wrong.append(f"the store no longer works: {words_of(error)}")
    world.end()
    after = descriptors(), thread_count(), references()
    for what, old, new in zip(("descriptors", "threads", "references"), before, after, strict=True):
        if old != new:
            wrong.append(f"{what}: {shorter(old, new)}")
    return wrong


def difference(content, legal):
    if not all(isinstance(one, dict) for one in [content, *legal]):
        return " and ".join(f"{len(one)} keys" if isinstance(one, dict) else str(one) for one in [content, *legal])
    apart = [sorted(set(content) ^ set(one))[:5] for one in legal]
    return f"{len(content)} keys, expected {[len(one) for one in legal]}; not in both: {apart}"


def shorter(old, new):
    if isinstance(old, int):
        return f"{old} became {new}"
    pairs = [(a, b) for a, b in zip(old, new, strict=False) if a != b] or f"{len(old)} became {len(new)}"
    return str(pairs)[:300]


def leaks(world, case):
    """Whether memory grows each time the case is played. The numbers lie in an array, where they are no objects."""
    before, after = array.array("q", [0, 0]), array.array("q", [0, 0])
    if not MEMORY_IS_COUNTED:
        return []

    def measure(into):
        sys._clear_type_cache()  # it keeps the names it was asked for
        gc.collect()
        into[0], into[1] = sys.getallocatedblocks(), c_memory()

    def grows(rounds):
        measure(before)
        for _ in range(rounds):
            argument = world.begin()
            world.content()
            faults.arm(*case)
            play(world.scenario, argument, world.content)
            faults.arm(-1, 0, faults.ONCE)
            del argument
            world.leftovers()
            world.end()
        measure(after)
        return after[0] - before[0] >= rounds or after[1] - before[1] >= LEAST_BYTES * rounds

    if not grows(2) or not all(grows(LEAK_ROUNDS) for _ in range(3)):
        return []
    return [f"in {LEAK_ROUNDS} rounds {after[0] - before[0]} blocks of Python, {after[1] - before[1]} bytes of C leak"]


# ---- all cases ---------------------------------------------------------------------------------


def rehearse(world):
    """Without a fault: the contents after each step, and how often each site is executed."""
    argument = world.begin()
    states = [world.content()]
    faults.arm(-1, 0, faults.ONCE)
    outcome = play(world.scenario, argument, lambda: states.append(world.content()))
    seen = faults.seen()
    del argument
    states.append(world.content())
    left = world.leftovers()
    world.end()
    if outcome.error or outcome.unraisable or left:
        raise SystemExit(f"without a fault: {outcome.error} {outcome.unraisable} {left}")
    return states, seen


def cases_of(seen, nth, wanted):
    for site, count in enumerate(seen):
        if not count or not wanted(site):
            continue
        executions = sorted({*range(1, min(nth, count) + 1), *([count] if nth > 1 else [])})
        for execution in executions:
            yield Case(site, execution, faults.ONCE)
        for execution in executions[:2]:
            yield Case(site, execution, faults.EVER)
            yield Case(site, execution, faults.AFTER)


def main(arguments):
    faulthandler.enable()
    warnings.simplefilter("ignore", ResourceWarning)
    (name,) = arguments.scenarios
    scenario, keys = scenarios.ALL[name], site_names()
    is_canary = name.startswith("canary_")
    ours = {site for site, (file, *_) in enumerate(faults.sites()) if ("canary" in file) == is_canary}
    world = World(scenario, arguments.worker.parent)
    with open(arguments.worker, "w", buffering=1) as log:
        for _ in range(5):  # imports, caches
            states, seen = rehearse(world)
        gc.freeze()
        gc.disable()
        for number, case in enumerate(cases_of(seen, arguments.nth, ours.__contains__)):
            if number < arguments.first:
                continue
            key = keys[case.site]
            said = f"{key}, execution {case.nth} of {seen[case.site]}, {MODES[case.mode]}"
            log.write(f"{number} {said}\n")
            before = faults.failed()[case.site]
            wrong = examine(world, case, key, states)
            failed = faults.failed()[case.site] - before
            wrong = wrong or leaks(world, case)
            found = {
                "cases": 1,
                "violations": [f"{name}: {said}: {'; '.join(wrong)}"] if wrong else [],
                "sites": {key: [seen[case.site], failed]},
            }
            log.write(json.dumps(found) + "\n")
        every = {keys[site]: [0, 0] for site in ours} if not is_canary else {}
        log.write(json.dumps({"cases": 0, "violations": [], "sites": every}) + "\n")
    return 0
