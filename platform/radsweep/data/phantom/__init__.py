"""The built-in data set: chest-radiograph phantoms with reports, seeded, versioned and frozen."""

from radsweep.data.phantom.difficulty import (
    DIFFICULTIES,
    VERSION,
    Difficulty,
    PhantomSettings,
    difficulty_named,
    from_name,
)
from radsweep.data.phantom.findings import PhantomFinding
from radsweep.data.phantom.generate import PhantomStudy, generate
from radsweep.data.phantom.oracle import oracle_retrieval
from radsweep.data.phantom.write import HELD_OUT, UNPAIRED, write_phantom

__all__ = [
    "DIFFICULTIES",
    "HELD_OUT",
    "UNPAIRED",
    "VERSION",
    "Difficulty",
    "PhantomFinding",
    "PhantomSettings",
    "PhantomStudy",
    "difficulty_named",
    "from_name",
    "generate",
    "oracle_retrieval",
    "write_phantom",
]
