"""The model, in torch alone: config, streams, Perceiver, graph transformer and gate."""

from ._config import PARTS, EncoderConfig
from ._context import ContextStream
from ._fusion import Gate
from ._layers import sinusoidal_positions
from ._model import BrainSymphony
from ._outputs import EncoderOutput, Streams
from ._perceiver import Perceiver
from ._spatial import SpatialStream
from ._structural import StructuralBranch
from ._temporal import TemporalStream

__all__ = [
    "PARTS",
    "BrainSymphony",
    "ContextStream",
    "EncoderConfig",
    "EncoderOutput",
    "Gate",
    "Perceiver",
    "SpatialStream",
    "Streams",
    "StructuralBranch",
    "TemporalStream",
    "sinusoidal_positions",
]
