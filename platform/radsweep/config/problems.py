"""Problems of an experiment's trials, each of whose sections is valid: arms, spaces, and the base trial."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from radsweep.config import keys
from radsweep.config.ablation import Ablation
from radsweep.config.experiment import Experiment
from radsweep.config.explain import dotted_hint
from radsweep.config.ineffective import ineffective, without_effect
from radsweep.config.search import Dimension
from radsweep.config.trees import trial_with
from radsweep.config.trial import Trial
from radsweep.config.tune import Tune
from radsweep.config.untrained import untrained
from radsweep.errors import InputError


def problems_of(experiment: Experiment) -> Iterator[InputError]:
    """Yield what is wrong with the trials of an experiment whose sections are valid.

    An arm is judged as a whole: its changes to the base trial together.
    """
    if experiment.ablation is not None:
        yield from _ablation_problems(experiment, experiment.ablation)
    elif experiment.search is not None:
        yield from _space_problems("search.space", experiment.search.space, experiment.trial())
        yield from _lasting_problems(experiment.trial(), experiment.search.space)
    else:
        yield from _trial_problems(experiment.trial())


def _value_problem(base: Trial, key: str, value: Any, wholes: Iterable[Mapping[str, Any]] = ()) -> str | None:
    """Say what is wrong with the value of a key.

    Args:
        wholes: arms that have it among their changes. With one of them it need only be right by itself, since its
            neighbours may be changed too.
    """
    known = list(keys.leaf_keys(Trial))
    if key not in known:
        return f"unknown key{dotted_hint(key, known)}"
    try:
        trial_with(base, {key: value})
    except InputError as error:
        first = error.errors[0]
        if not first.key.startswith(key) and any(str(first) not in _errors(base, whole) for whole in wholes):
            return None
        return first.message if first.key == key else str(first)
    return None


def _errors(base: Trial, values: Mapping[str, Any]) -> list[str]:
    try:
        trial_with(base, values)
    except InputError as error:
        return list(map(str, error.errors))
    return []


def _trial_problems(trial: Trial, changed: Iterable[str] = ()) -> Iterator[InputError]:
    """Yield problems of a whole trial. `changed`: keys that its arm sets, each of which should change something."""
    yield from untrained(trial)
    yield from ineffective(trial)
    reasons = without_effect(trial)
    for key in changed:
        if key in reasons:
            yield InputError(f"changes nothing, because {reasons[key]}. Set that too, or leave it out", key=key)


def _lasting_problems(base: Trial, space: Mapping[str, Dimension], changed: Iterable[str] = ()) -> list[InputError]:
    """Return `_trial_problems` that no value of a single key of the space solves."""
    found = list(_trial_problems(base, changed))
    for key, dimension in space.items():
        for value in dimension.extremes() if found else ():
            with suppress(InputError):
                left = {problem.key for problem in _trial_problems(trial_with(base, {key: value}), changed)}
                found = [problem for problem in found if problem.key in left]
    return found


def _ablation_problems(experiment: Experiment, ablation: Ablation) -> Iterator[InputError]:
    base = experiment.trial()
    sound = True
    designed = ablation.designed_arms(base)
    for arm, changes in ablation.arms.items():
        wholes = [merged for merged in designed.values() if changes.items() <= merged.items()]
        for key, value in changes.items():
            if problem := _value_problem(base, key, value, wholes):
                sound = False
                yield InputError(problem, key=f"ablation.arms.{arm}.{key}")
    for key, values in ablation.levels.items():
        if problem := next((found for value in values if (found := _value_problem(base, key, value))), None):
            sound = False
            yield InputError(problem, key=f"ablation.levels.{key}")
    if not sound:
        return
    part = "levels" if ablation.levels else "arms"
    if part == "levels" and len(designed) == 1:
        message = "every value is the base trial's own, so that nothing is compared; add another"
        yield InputError(message, key="ablation.levels")
    known: set[str] = set()  # of several arms with one problem, the first is named
    for arm, changes in designed.items():
        for text in map(str, _arm_problems(base, arm, changes, ablation)):
            if text not in known:
                known.add(text)
                yield InputError(text, key=f"ablation.{part}.{arm}")
    if ablation.tune is not None:
        yield from _tune_problems(ablation.tune, base, designed)


def _arm_problems(base: Trial, arm: str, changes: Mapping[str, Any], ablation: Ablation) -> Iterator[InputError]:
    """Yield what is wrong with a whole arm, at any of its sizes."""
    sizes: list[dict[str, Any]] = [{"data.pairs": n} for n in ablation.pairs] or [{}]
    for size in sizes:
        try:
            trial = trial_with(base, {**changes, **size})
        except InputError as error:
            yield from error.errors
        else:
            yield from _lasting_problems(trial, ablation.tune.space_of(arm) if ablation.tune else {}, changes)


def _tune_problems(tune: Tune, base: Trial, arms: Mapping[str, Mapping[str, Any]]) -> Iterator[InputError]:
    for arm in tune.per_arm:
        if arm not in arms:
            yield InputError(f"no such arm; the arms are {', '.join(arms)}", key=f"ablation.tune.per_arm.{arm}")
    for arm, changes in arms.items():
        if not tune.space_of(arm):
            message = f"nothing is tuned in {arm}, so that the other arms would have the better of it"
            yield InputError(message, key="ablation.tune")
        place = f"ablation.tune.per_arm.{arm}" if arm in tune.per_arm else "ablation.tune.space"
        yield from _space_problems(place, tune.space_of(arm), trial_with(base, changes))


def _space_problems(place: str, space: Mapping[str, Dimension], base: Trial) -> Iterator[InputError]:
    """`place`: the key that holds the space."""
    known = list(keys.leaf_keys(Trial))
    for key, dimension in space.items():
        for value in dimension.extremes():
            if problem := _value_problem(base, key, value):
                yield InputError(problem, key=f"{place}.{key}")
                break
        if (condition := dimension.condition) and condition.key not in known:
            hint = dotted_hint(condition.key, known)
            yield InputError(f"unknown key {condition.key}{hint}", key=f"{place}.{key}.only_if")
