"""How long adaptation stages and features of frozen towers will take, from earlier runs of such on the same data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from radsweep.spec.keys import flat
from radsweep.spec.stage import Stage
from radsweep.store.records import CellRecord
from radsweep.sweep.estimate import Expected

# last parts of the keys in which stages that take equally long may differ; of their length they take a part each
NO_COST = ("seed", "fold", "learning_rate", "weight_decay", "epochs", "steps")


class StageTimes:
    """Of finished stages on one data set and kind of device: seconds an epoch, a step, or in all."""

    def __init__(self, records: Iterable[CellRecord], device: str, data: str) -> None:
        self._seconds: defaultdict[tuple[object, ...], list[float]] = defaultdict(list)
        for record in records:
            if record.status == "finished" and (record.device, record.data) == (device, data):
                self._seconds[_kind(record.trial)].append(record.seconds.get("total", 0.0) / _length(record.trial))

    def expected(self, stage: Stage) -> Expected | None:
        """None where no earlier run is alike."""
        spec = stage.model_dump(mode="json")
        if not (found := self._seconds.get(_kind(spec))):
            return None
        return Expected(sum(found) / len(found) * _length(spec), False, "earlier runs of such stages")


def _kind(spec: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(sorted((key, str(v)) for key, v in flat(spec).items() if key.rsplit(".", 1)[-1] not in NO_COST))


def _length(spec: Mapping[str, Any]) -> int:
    """Epochs or steps; 1 of features."""
    train = spec.get("train")
    return 1 if train is None else int(train["epochs" if train["until"] == "epochs" else "steps"])
