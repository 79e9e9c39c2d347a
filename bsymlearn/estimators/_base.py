"""What the three estimators share: the gate, the encoder, embedding."""

import copy
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from os import PathLike
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.model_selection import GroupShuffleSplit
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from bsymlearn._validation import (
    COLUMNS,
    MODALITIES,
    Scans,
    check_connectome_units,
    check_scans,
    check_table_is_numeric,
    is_table,
    is_univariate,
    largest_weight,
)
from bsymlearn.checkpoints import load_checkpoint
from bsymlearn.encoders import BrainSymphony, EncoderConfig
from bsymlearn.estimators._readouts import READOUTS, Readout
from bsymlearn.training import (
    RECIPES,
    PreparedScan,
    TrainingSettings,
    all_windows,
    collate_windows,
    prepare_scans,
    pretrain,
)

_SIZES = ("dim", "n_layers", "n_heads", "mlp_dim", "time_steps")
LATENTS = {"functional": "functional", "structural": "structural", "multimodal": "fused"}
_INFERENCE_WINDOWS = 8
_MAX_CONNECTOME_WEIGHT = 1000.0


class BrainSymphonyEstimator(BaseEstimator):
    """Facade that holds an encoder; see its three subclasses."""

    _parameter_constraints: dict = {
        "modality": [StrOptions({"auto", *MODALITIES})],
        "pretrained": [None, str, PathLike, HasMethods(["state_dict", "forward"])],
        "readout": [StrOptions(set(READOUTS))],
        "spectral_power": [Interval(Real, 0, 1, closed="right")],
        "scaling": [StrOptions({"robust"}), None],
        "connectome_scaling": [StrOptions({"log10"}), None],
        **{name: [Interval(Integral, 1, None, closed="left")] for name in _SIZES},
        "mask_ratio": [Interval(Real, 0, 1, closed="neither")],
        "recipe": [StrOptions(set(RECIPES))],
        "max_epochs": [Interval(Integral, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "gradients": ["array-like", None],
        "encoder": [dict, None],
        "net_params": [dict, None],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        return tags

    def _check_X(self, X: Any, *, reset: bool) -> Scans:
        """Pass X through the gate, and record (or compare) what scikit-learn records."""
        name = type(self).__name__
        if not is_table(X) and is_univariate(X):
            if hasattr(X, "columns"):
                check_table_is_numeric(X)
            X = validate_data(self, X, dtype=np.float32, reset=reset)
        elif is_table(X):
            columns = [column for column in COLUMNS if column in X.columns]
            validate_data(self, X[columns], skip_check_array=True, reset=reset)
        known = {}
        if not reset:
            contract = self.module_.contract
            known = {"n_rois": self.n_rois_, "roi_names": contract.get("roi_names")}
            known |= {"modality": self.modality_, "fitted": True}
        else:
            known = {"modality": self.modality, "minimum": 2}
            if self._pretrained_module() is not None:
                known["n_rois"] = self._pretrained_module().config.n_rois
                known["roi_names"] = self._pretrained_module().contract.get("roi_names")
        scans = check_scans(X, estimator=name, **known)
        if reset and not is_table(X):
            if hasattr(self, "feature_names_in_") and not hasattr(X, "columns"):
                del self.feature_names_in_
            if scans.form != "univariate":
                self.n_features_in_ = scans.n_rois
        return scans

    def _pretrained_module(self) -> BrainSymphony | None:
        """Load `pretrained` once per value."""
        if self.pretrained is None or isinstance(self.pretrained, BrainSymphony):
            return self.pretrained
        if isinstance(self.pretrained, torch.nn.Module):
            raise TypeError(
                f"pretrained is a {type(self.pretrained).__name__}; give a BrainSymphony, or the "
                "directory of a checkpoint."
            )
        cached = getattr(self, "_loaded", None)
        if cached is None or cached[0] != self.pretrained:
            self._loaded = (self.pretrained, load_checkpoint(self.pretrained))
        return self._loaded[1]

    def _start(self, X: Any) -> Scans:
        """Check X and build the encoder: all errors come before any long work."""
        self._validate_params()
        self.__dict__.pop("_loaded", None)
        scans = self._check_X(X, reset=True)
        pretrained = self._pretrained_module()
        self.__dict__.pop("_loaded", None)
        self.modality_ = scans.modality
        self.n_rois_ = scans.n_rois
        self.device_ = _pick_device(self.device)
        random_state = check_random_state(self.random_state)
        self.seed_ = int(random_state.randint(np.iinfo(np.int32).max))
        with self._seeded():
            if pretrained is None:
                self.module_ = BrainSymphony(self._config(scans))
                self.module_.contract = self._contract(scans)
            else:
                self._check_pretrained(pretrained, scans)
                self.module_ = copy.deepcopy(pretrained)
                contract = self._contract(scans)
                self.module_.contract = contract | pretrained.contract
        self._gradients()  # complains before any work
        self.module_.to(self.device_).eval()
        self._check_units(scans, reset=True)
        self.history_: list[dict] = []
        return scans

    def _config(self, scans: Scans) -> EncoderConfig:
        sizes = {name: getattr(self, name) for name in _SIZES}
        sizes |= {"n_rois": scans.n_rois, "dim": self.dim}
        if self.gradients is not None:
            sizes |= {"positions": "gradient", "n_gradients": np.shape(self.gradients)[-1]}
        parts = {
            "functional": ("spatial", "temporal", "context", "perceiver"),
            "structural": ("structural",),
        }
        if scans.modality in parts:
            sizes["modules"] = parts[scans.modality]
        extra = dict(self.encoder or {})
        doubled = sorted(set(extra) & set(_SIZES))
        if doubled:
            raise ValueError(
                f"encoder has {doubled}, which are parameters of {type(self).__name__} itself. "
                f"Give them there: {doubled[0]}={extra[doubled[0]]!r}."
            )
        return EncoderConfig.from_dict(sizes | extra)

    def _contract(self, scans: Scans) -> dict:
        return {
            "modality": scans.modality,
            "scaling": None if scans.form == "univariate" else self.scaling,
            "connectome_scaling": self.connectome_scaling,
            "time_steps": self.time_steps,
            "roi_names": scans.roi_names,
            "largest_weight": max(
                (largest_weight(c) for c in scans.connectomes if c is not None), default=None
            ),
        }

    def _check_pretrained(self, pretrained: BrainSymphony, scans: Scans) -> None:
        """Refuse what the user set and the checkpoint contradicts; defaults give way."""
        parameters = inspect.signature(type(self)).parameters
        fixed = {name: getattr(pretrained.config, name) for name in _SIZES}
        contract = pretrained.contract
        scalings = ("scaling", "connectome_scaling")
        fixed |= {name: contract[name] for name in scalings if name in contract}
        for name, value in fixed.items():
            given = getattr(self, name)
            if given != value and given != parameters[name].default:
                raise ValueError(
                    f"{name}={given!r}, but the pretrained encoder has {name}={value!r}, which "
                    f"cannot be changed. Leave {name} out, or pretrain an encoder of your own."
                )
        if self.encoder:
            config = pretrained.config.to_dict()
            wrong = [k for k, v in self.encoder.items() if k not in config or config[k] != v]
            if wrong:
                raise ValueError(
                    f"encoder sets {wrong[0]}={self.encoder[wrong[0]]!r}, but the pretrained encoder "
                    f"has {config.get(wrong[0], 'no such field')!r}. Leave it out."
                )
        needed = {
            "functional": {"spatial", "temporal", "context", "perceiver"},
            "structural": {"structural"},
        }
        wanted = needed.get(scans.modality, set.union(*needed.values(), {"gate"}))
        missing = sorted(wanted - set(pretrained.config.modules))
        if missing:
            raise ValueError(
                f"X is {scans.modality}, but the pretrained encoder lacks {missing} and holds "
                f"{list(pretrained.config.modules)}. Set modality= to what it can embed."
            )

    def _check_units(self, scans: Scans, *, reset: bool) -> None:
        contract = self.module_.contract
        largest = contract.get("largest_weight")
        if largest is not None:
            check_connectome_units(scans, largest, type(self).__name__)
        if reset and contract.get("connectome_scaling") is None and largest is not None:
            if largest > _MAX_CONNECTOME_WEIGHT:
                raise ValueError(
                    f"Connectomes have weights up to {largest:.4g}, which saturate the signed "
                    "attention. Leave connectome_scaling='log10', or scale them yourself."
                )

    def _gradients(self) -> torch.Tensor | None:
        """The gradients of the ROIs on the device, (R, G)."""
        if self.module_.config.positions != "gradient":
            return None
        n_rois, n_gradients = self.n_rois_, self.module_.config.n_gradients
        if self.gradients is None:
            raise ValueError(
                f"The encoder has gradient positions: give gradients= ({n_rois}, {n_gradients})."
            )
        gradients = np.asarray(self.gradients, dtype=np.float32)
        if gradients.shape != (n_rois, n_gradients):
            raise ValueError(
                f"gradients has shape {gradients.shape}, but X has {n_rois} ROIs and the encoder "
                f"{n_gradients} gradients: give an array of shape ({n_rois}, {n_gradients})."
            )
        return torch.from_numpy(gradients).to(self.device_)

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        """Run with our own torch seed, and leave the global generators as they were."""
        cuda = [torch.device(self.device_)] if str(self.device_).startswith("cuda") else []
        with torch.random.fork_rng(devices=cuda):
            torch.manual_seed(self.seed_)
            yield

    def _settings(self, max_epochs: int, lr: float) -> TrainingSettings:
        return TrainingSettings(
            max_epochs=max_epochs,
            batch_size=self.batch_size,
            lr=lr,
            patience=self.patience,
            device=self.device_,
            verbose=self.verbose,
            net_params=dict(self.net_params or {}),
        )

    def _prepare(self, scans: Scans) -> list[PreparedScan]:
        contract = self.module_.contract
        scaling = contract.get("scaling", self.scaling)
        return prepare_scans(
            scans, scaling, contract.get("connectome_scaling", self.connectome_scaling)
        )

    def _pretrain(self, scans: Scans, prepared: list[PreparedScan], epochs: int, lr: float) -> None:
        """Masked pretraining on these scans; whole participants validate it."""
        train, held_out = split_participants(scans.groups, self.validation_fraction, self.seed_)
        with self._seeded():
            self.net_, history = pretrain(
                self.module_,
                [prepared[i] for i in train],
                [prepared[i] for i in held_out],
                self.modality_,
                self._settings(epochs, lr),
                recipe=self.recipe,
                mask_ratio=self.mask_ratio,
                gradients=self._gradients(),
            )
        self.history_ += history

    def _windows(self, prepared: list[PreparedScan], batch_size: int = _INFERENCE_WINDOWS):
        """Batches of all windows of all scans."""
        steps = self.module_.config.time_steps
        windows = all_windows(prepared, steps)
        return collate_windows(
            prepared, windows, steps, self.n_rois_, self.modality_, batch_size
        )

    def _encode(self, prepared: list[PreparedScan]) -> Iterator[torch.Tensor]:
        """Iterate over scans; gives the ROI latents of their windows, (W_i, R, D), on the CPU."""
        gradients = self._gradients()
        name = LATENTS[self.modality_]
        pending: list[torch.Tensor] = []
        current = 0
        for part, batch in self._windows(prepared):
            latents = getattr(self._forward(batch, gradients), name).cpu()
            for (owner, _), window in zip(part, latents, strict=False):
                if owner != current:
                    yield torch.stack(pending)
                    pending, current = [], owner
                pending.append(window)
        yield torch.stack(pending)

    @torch.inference_mode()
    def _forward(self, batch, gradients):
        """Run the encoder on a batch of windows, without decoding edges."""
        batch = {key: tensor.to(self.device_) for key, tensor in batch.items()}
        if "connectome" in batch:
            batch["edges"] = torch.zeros_like(batch["connectome"], dtype=torch.bool)
        return self.module_(**batch, gradients=gradients)

    def _fit_readout(self, prepared: list[PreparedScan]) -> None:
        """Learn the mean latent of each ROI over these scans."""
        total = sum(latents.double().mean(dim=0) for latents in self._encode(prepared))
        mean_latent = (total / len(prepared)).float()
        self.readout_ = Readout(self.readout, mean_latent, self.spectral_power)
        self._n_features_out = self.readout_.n_outputs

    def _embed(self, prepared: list[PreparedScan]) -> np.ndarray:
        """Embed scans; (n_scans, n_outputs) float32."""
        embedded = np.empty((len(prepared), self.readout_.n_outputs), dtype=np.float32)
        with torch.inference_mode():
            for i, latents in enumerate(self._encode(prepared)):
                owners = torch.zeros(len(latents), dtype=torch.long)
                embedded[i] = self.readout_(latents, owners, 1)[0].numpy()
        return embedded

    def _check_fitted_X(self, X: Any) -> Scans:
        """Pass new scans through the gate, as `fit` left it."""
        check_is_fitted(self, "module_")
        scans = self._check_X(X, reset=False)
        self._check_units(scans, reset=False)
        return scans


def split_participants(groups: list, fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Split rows into training and validation so that no participant is in both."""
    rows = np.arange(len(groups))
    codes = np.unique(np.array([str(group) for group in groups]), return_inverse=True)[1]
    n_held_out = int(round(fraction * len(set(codes))))
    if n_held_out == 0:
        return list(rows), []
    split = GroupShuffleSplit(n_splits=1, test_size=n_held_out, random_state=seed)
    train, held_out = next(split.split(rows, groups=codes))
    return list(train), list(held_out)


def _pick_device(device: str) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"device={device!r} is not available here ({str(error).splitlines()[0]}). Use 'auto' "
            "or 'cpu'."
        ) from error
    return device
