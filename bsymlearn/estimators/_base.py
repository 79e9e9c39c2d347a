"""What the three estimators share: the gate, the encoder, embedding."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from os import PathLike
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from bsymlearn._validation import (
    MODALITIES,
    Scans,
    check_groups,
    check_is_no_scan,
    check_is_numeric,
    check_scans,
    is_table,
    is_univariate,
    modality_columns,
    remedied,
)
from bsymlearn.encoders import BrainSymphony
from bsymlearn.estimators._contract import (
    SIZES,
    check_gradients,
    check_pretrained,
    check_units,
    encoder_config,
    load_pretrained,
    new_contract,
    pick_device,
)
from bsymlearn.estimators._embedding import embed, fit_readout
from bsymlearn.estimators._inference import Inference
from bsymlearn.estimators._pickling import pack, unpack
from bsymlearn.estimators._readouts import READOUTS
from bsymlearn.estimators._splits import split_participants
from bsymlearn.training import RECIPES, PreparedScan, TrainingSettings, prepare_scans, pretrain

_HOW_TO_GIVE_X = (
    "X was read as 2-D numbers, a univariate series in each row. Give such an array, or scans as a "
    "list of arrays (n_timepoints, n_rois), or as a DataFrame with a column 'timeseries' or "
    "'connectome'."
)


class BrainSymphonyEstimator(BaseEstimator):
    """Facade that holds an encoder; see its three subclasses."""

    _parameter_constraints: dict = {
        "modality": [StrOptions({"auto", *MODALITIES})],
        "pretrained": [None, str, PathLike, HasMethods(["state_dict", "forward"])],
        "readout": [StrOptions(set(READOUTS))],
        "spectral_power": [Interval(Real, 0, 1, closed="right")],
        "scaling": [StrOptions({"robust"}), None],
        "connectome_scaling": [StrOptions({"log10"}), None],
        "nan_policy": [StrOptions({"raise", "omit"})],
        "t_r": [Interval(Real, 0, None, closed="neither"), None],
        "roi_names": ["array-like", None],
        **{name: [Interval(Integral, 1, None, closed="left")] for name in SIZES},
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
        tags.input_tags.allow_nan = self.nan_policy == "omit"
        return tags

    def __getstate__(self):
        # Stored: parameters and what `fit` learned, on the CPU and each weight once. Rebuilt:
        # `device_` and `net_`, because the machine that opens it may have other devices.
        return pack(super().__getstate__())

    def __setstate__(self, state):
        super().__setstate__(unpack(state))

    @contextmanager
    def _fitting(self) -> Iterator[None]:
        """Start without what an earlier fit learned; bring it back if this one fails."""
        before = dict(self.__dict__)
        for name in before:
            if name.endswith("_") and not name.startswith("_"):
                del self.__dict__[name]
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _check_fit_X(self, X: Any, pretrained: BrainSymphony | None) -> Scans:
        """Pass X through the gate, and record what scikit-learn records."""
        if is_table(X):
            columns = modality_columns(X, self.modality)
            validate_data(self, X[columns], skip_check_array=True)
        elif is_univariate(X):
            check_is_numeric(X)
            X = self._check_univariate(X, reset=True)
        scans = self._check_scans(X, pretrained, modality=self.modality, minimum=2)
        if scans.form in ("list", "array"):
            self.n_features_in_ = scans.n_rois
        return scans

    def _check_new_X(self, X: Any) -> Scans:
        """Pass new scans through the gate, as `fit` left it; forms may differ from fit's."""
        check_is_fitted(self, "module_")
        name = type(self).__name__
        if is_table(X):
            self._check_columns(X)
        elif is_univariate(X):
            check_is_numeric(X)
            check_is_no_scan(X, self.n_rois_, name)
            X = self._check_univariate(X, reset=False)
        scans = self._check_scans(X, self.module_, modality=self.modality_, fitted=True)
        check_units(self.module_.contract, scans, name)
        return scans

    def _check_univariate(self, X: Any, reset: bool) -> np.ndarray:
        # Values that are not finite are for the gate, which names their row.
        with np.errstate(over="ignore"), remedied(_HOW_TO_GIVE_X):
            return validate_data(self, X, dtype=np.float32, ensure_all_finite=False, reset=reset)

    def _check_scans(self, X: Any, encoder: BrainSymphony | None, **options: Any) -> Scans:
        if encoder is not None:
            options["n_rois"] = encoder.config.n_rois
            options["encoder_names"] = encoder.contract.get("roi_names")
            options["encoder_t_r"] = encoder.contract.get("t_r")
        return check_scans(
            X,
            estimator=type(self).__name__,
            nan_policy=self.nan_policy,
            t_r=self.t_r,
            roi_names=self.roi_names,
            **options,
        )

    def _check_columns(self, X):
        missing = set(getattr(self, "feature_names_in_", ())) - set(X.columns)
        if missing:
            raise ValueError(
                f"X has no column {sorted(missing)[0]!r}, but {type(self).__name__} was fitted "
                "with it. Add it, with None where a subject lacks that modality."
            )

    def _start(self, X: Any, groups: Any = None) -> Scans:
        """Check X and build the encoder: all errors come before any long work."""
        name = type(self).__name__
        if self.patience is not None and not self.validation_fraction:
            raise ValueError(
                f"patience={self.patience} stops by the score of held-out scans, but "
                "validation_fraction=0 holds out none. Set validation_fraction=0.1, say, or "
                "patience=None."
            )
        pretrained = load_pretrained(self.pretrained)
        scans = self._check_fit_X(X, pretrained)
        scans.groups = check_groups(groups, scans)
        if self.patience is not None and len({str(group) for group in scans.groups}) < 2:
            raise ValueError(
                f"patience={self.patience} needs a participant (or group) to hold out, but all "
                f"{len(scans)} scans belong to one. Set patience=None, or give more participants."
            )
        if pretrained is not None:
            check_pretrained(self, pretrained, scans)
        contract = new_contract(self, scans, pretrained)
        check_units(contract, scans, name)
        config = encoder_config(self, scans) if pretrained is None else pretrained.config
        gradients = check_gradients(self.gradients, config)
        self.device_ = pick_device(self.device)
        self.modality_ = scans.modality
        self.n_rois_ = scans.n_rois
        self.seed_ = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        with self._seeded():
            self.module_ = (
                BrainSymphony(config) if pretrained is None else copy.deepcopy(pretrained)
            )
        self.module_.contract = contract
        self.module_.to(self.device_).eval()
        self.gradients_ = None if gradients is None else gradients.to(self.device_)
        self.history_: list[dict] = []
        return scans

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        """Run with our own torch seed, and leave the global generators as they were."""
        with torch.random.fork_rng():
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

    def _split(self, groups: list, seed: int) -> tuple[list[int], list[int]]:
        minimum = 0 if self.patience is None else 1
        return split_participants(groups, self.validation_fraction, seed, minimum)

    def _prepare(self, scans: Scans) -> list[PreparedScan]:
        contract = self.module_.contract
        return prepare_scans(
            scans,
            contract["scaling"],
            contract["connectome_scaling"],
            contract.get("connectome_signed"),
        )

    def _pretrain(self, scans: Scans, prepared: list[PreparedScan], epochs: int, lr: float) -> None:
        """Masked pretraining on these scans; whole participants validate it."""
        train, held_out = self._split(scans.groups, self.seed_)
        with self._seeded():
            self.net_, history = pretrain(
                self.module_,
                [prepared[i] for i in train],
                [prepared[i] for i in held_out],
                self.modality_,
                self._settings(epochs, lr),
                recipe=self.recipe,
                mask_ratio=self.mask_ratio,
                gradients=self.gradients_,
                fresh=self.pretrained is None,
            )
        self.history_ += history

    def _inference(self) -> Inference:
        return Inference(self.module_, self.modality_, self.gradients_, self.device_)

    def _fit_readout(self, prepared: list[PreparedScan], weight: np.ndarray | None = None) -> None:
        """Learn what the readout subtracts, or puts in for what a scan lacks, over these scans."""
        weight = np.ones(len(prepared)) if weight is None else weight
        self.readout_ = fit_readout(
            self._inference(), prepared, weight, self.readout, self.spectral_power
        )
        self._n_features_out = self.readout_.n_outputs

    def _embed(self, prepared: list[PreparedScan]) -> np.ndarray:
        """Embed scans; (n_scans, n_outputs) float32."""
        return embed(self._inference(), self.readout_, prepared)
