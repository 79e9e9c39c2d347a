"""The main job from end to end: pretrain, embed, predict, and see what simple features reach.

Without data it simulates a cohort in which some subjects lack a modality; with ``--data`` it reads
derivatives (XCP-D series, QSIRecon or MRtrix connectomes) and their participants.tsv. All that is
learned, pretraining included, is learned in the training folds. `make demo` runs this file.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import matplotlib
import numpy as np
import pandas as pd
from nilearn.connectome import vec_to_sym_matrix
from sklearn.cluster import AgglomerativeClustering

sys.path.insert(0, str(Path(__file__).parent))  # also where a test imports this file

import _demo_prediction as prediction
import _demo_scans as scans

from bsymlearn import BrainSymphonyTransformer, make_cohort, read_cohort, save_checkpoint
from bsymlearn.plotting import plot_comparison, plot_network_matrix, plot_training

SUMMARY = "summary.txt"
SIGNATURE = "Written by examples/demo.py of bsymlearn; its next run replaces these files."
OWN_FILES = ("scores.csv", "training.png", "similarity.png", "scores.png", "checkpoint")


@dataclass(frozen=True)
class Settings:
    """Sizes of a run: small enough for two cores and a few minutes."""

    readouts: ClassVar[dict] = {
        "multimodal": {"readout": "moments", "spectral_power": 0.35},
        "functional": {"readout": "connectivity", "spectral_power": 0.35},
        "structural": {"readout": "flatten"},
    }
    cohort: dict = field(
        default_factory=lambda: {"n_subjects": 150, "n_rois": 30, "n_timepoints": 160}
    )
    encoder: dict = field(
        default_factory=lambda: {
            "dim": 64, "n_layers": 1, "n_heads": 4, "mlp_dim": 128, "time_steps": 40,
            "max_epochs": 8, "lr": 5e-3, "recipe": "staged",
            "encoder": {
                "structural_layers": 1, "perceiver_width": 64, "n_latent_blocks": 1, "dropout": 0.0
            },
        }
    )  # fmt: skip
    encoder_on_scans: dict = field(
        default_factory=lambda: {
            "dim": 128, "n_layers": 1, "n_heads": 4, "mlp_dim": 256, "time_steps": 50,
            "max_epochs": 3, "lr": 5e-3, "batch_size": 8, "recipe": "staged",
            "encoder": {
                "structural_layers": 1, "perceiver_width": 128, "n_latent_blocks": 1, "dropout": 0.0
            },
        }
    )  # fmt: skip
    n_folds: int = 5
    n_bootstraps: int = 1000
    n_jobs: int = 2


QUICK = Settings(
    cohort={"n_subjects": 24, "n_rois": 14, "n_timepoints": 40},
    encoder={
        "dim": 8, "n_layers": 1, "n_heads": 2, "mlp_dim": 16, "time_steps": 20, "max_epochs": 1,
        "encoder": {"structural_layers": 1, "perceiver_width": 8, "n_latent_blocks": 1},
    },
    encoder_on_scans={
        "dim": 8, "n_layers": 1, "n_heads": 2, "mlp_dim": 16, "time_steps": 20, "max_epochs": 1,
        "encoder": {"structural_layers": 1, "perceiver_width": 8, "n_latent_blocks": 1},
    },
    n_folds=2,
    n_bootstraps=50,
    n_jobs=1,
)  # fmt: skip


def run(
    output: str | Path,
    data: str | Path | None = None,
    *,
    targets: list[str] | None = None,
    settings: Settings | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Run the demo; returns the scores, a row per question and method."""
    matplotlib.use("Agg")
    started = time.monotonic()
    settings = settings or Settings()
    output = prepare_output(Path(output))
    if data is None:
        table, truth = make_cohort(
            **settings.cohort, missing=0.1, random_state=seed, return_truth=True
        )
        networks = truth.networks
        names = [f"network {k + 1}" for k in np.unique(networks)]
    else:
        table, networks, names = read_scans(data), None, None
    heading = describe(table, "simulated" if data is None else str(data))
    print(heading, flush=True)

    chosen = prediction.choose_targets(table, targets)
    if chosen:
        print(f"Predicting {', '.join(chosen)}, {settings.n_folds} folds …", flush=True)
        scores, notes = prediction.predict(table, chosen, settings, seed)
    else:
        print("No labels: masked ROIs and fingerprints of held-out scans …", flush=True)
        scores, notes = scans.examine(table, settings, seed)

    print("Pretraining on all scans, for the checkpoint and the figures …", flush=True)
    sizes = settings.encoder if chosen else settings.encoder_on_scans
    roi_names = table.attrs.get("roi_names")
    encoder = BrainSymphonyTransformer(random_state=seed, roi_names=roi_names, **sizes).fit(table)
    save_checkpoint(encoder, output / "checkpoint")
    draw(output, encoder, table, scores, networks, names)
    scores.to_csv(output / "scores.csv", float_format="%.4f")
    text = f"{heading}\n\n{layout(scores)}\n\n{notes}"
    minutes = (time.monotonic() - started) / 60
    (output / SUMMARY).write_text(f"{SIGNATURE}\n\n{text}\n", encoding="utf-8")
    print(f"\n{layout(scores)}\n\n{notes}\n\nFinished in {minutes:.1f} min. Results: {output}/")
    print("  " + ", ".join((*OWN_FILES[:-1], "checkpoint/", SUMMARY)))
    return scores


def read_scans(data: str | Path) -> pd.DataFrame:
    """Read derivatives. Parcels that were not covered (n/a in XCP-D's series) become constant.

    So FC takes them as well, and the encoder masks them.
    """
    table = read_cohort(data, load=True)
    if "timeseries" in table:
        cells = [cell if cell is None else fill_uncovered(cell) for cell in table["timeseries"]]
        table["timeseries"] = pd.Series(cells, index=table.index, dtype=object)
    return table


def fill_uncovered(series: np.ndarray) -> np.ndarray:
    """Let a parcel without any value be 0."""
    return np.where(np.isnan(series).all(axis=0), np.float32(0), series)


def prepare_output(output: Path) -> Path:
    """Make the folder, or empty it of what an earlier run left; refuse any other."""
    summary = output / SUMMARY
    if output.exists() and not output.is_dir():
        raise FileExistsError(f"{output} is a file. Name a folder with --output.")
    if output.is_dir() and any(output.iterdir()):
        if not summary.is_file() or not summary.read_text(encoding="utf-8").startswith(SIGNATURE):
            raise FileExistsError(
                f"{output} holds files that this demo did not write, and would overwrite. Name a "
                "new folder with --output, or empty this one."
            )
        for name in OWN_FILES:
            path = output / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    output.mkdir(parents=True, exist_ok=True)
    # First of all files, so that an interrupted run is known as ours as well.
    summary.write_text(f"{SIGNATURE}\n", encoding="utf-8")
    return output


def describe(table: pd.DataFrame, origin: str) -> str:
    """Say what the table holds, in one line."""
    counts = {
        name: int(table[name].notna().sum())
        for name in ("timeseries", "connectome")
        if name in table
    }
    cells = table[next(iter(counts))].dropna()
    held = " and ".join(f"{count} with {name}" for name, count in counts.items())
    people = table.index.get_level_values(0).nunique()
    return (
        f"Cohort ({origin}): {len(table)} scans of {people} participants, {held}, "
        f"{cells.iloc[0].shape[1]} ROIs."
    )


def draw(output, encoder, table, scores, networks, names) -> None:
    """Write the three figures."""
    import matplotlib.pyplot as plt

    ax = plot_training(encoder.history_)
    save(ax.figure, output / "training.png")

    similarity = vec_to_sym_matrix(
        encoder.transform(table).mean(axis=0), diagonal=np.ones(encoder.n_rois_)
    )
    if networks is None:
        n_clusters = min(7, len(similarity) // 2)
        model = AgglomerativeClustering(n_clusters)  # ROIs with alike rows
        networks = model.fit_predict(similarity)
        names = [f"cluster {k + 1}" for k in np.unique(networks)]
    ax = plot_network_matrix(similarity, networks, names)
    ax.set_title("Similarity of ROI latents, mean over scans", fontsize="medium")
    save(ax.figure, output / "similarity.png")

    questions = scores.index.unique(level=0)
    sizes = [len(scores.loc[question]) for question in questions]
    figure, axes = plt.subplots(
        len(questions), figsize=(7, 1.1 * len(questions) + 0.38 * sum(sizes)),
        height_ratios=sizes, layout="constrained", squeeze=False,
    )  # fmt: skip
    for question, ax in zip(questions, axes[:, 0], strict=True):
        part = scores.loc[question]
        part.attrs = {"chance": part["chance"].iloc[0], "scoring": question}
        plot_comparison(part, ax=ax)
    save(figure, output / "scores.png")


def save(figure, path: Path) -> None:
    """Write a figure and forget it."""
    import matplotlib.pyplot as plt

    figure.savefig(path, dpi=150, bbox_inches="tight")
    plt.close(figure)


def layout(scores: pd.DataFrame) -> str:
    """Lay the scores out for the terminal."""
    lines = []
    for question in scores.index.unique(level=0):
        part = scores.loc[question]
        folds = "fold_mean" in part
        head = f"{question:<26}{'score':>7}   {'95 % interval':<18}"
        lines += ["", f"{head}{'mean ± SD of folds' if folds else ''}".rstrip()]
        for method, row in part.iterrows():
            bounds = f"[{row['low']:.3f}, {row['high']:.3f}]"
            line = f"  {method:<24}{row['score']:>7.3f}   {bounds:<18}"
            if folds:
                line += f"{row['fold_mean']:.3f} ± {row['fold_sd']:.3f}"
            lines.append(line.rstrip())
        reference = "mean of each ROI" if "R²" in question else "chance"
        lines.append(f"  {reference:<24}{part['chance'].iloc[0]:>7.3f}")
    return "\n".join(lines).lstrip("\n")


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, run, and turn errors of use into one line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--output", default="demo_output", help="folder for tables and figures")
    parser.add_argument("--data", help="folder of derivatives, or table of paths, to use")
    parser.add_argument("--targets", nargs="+", help="columns of participants.tsv to predict")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="seconds, to test the installation")
    given = parser.parse_args(arguments)
    settings = QUICK if given.quick else Settings()
    try:
        run(given.output, given.data, targets=given.targets, settings=settings, seed=given.seed)
    except (FileNotFoundError, FileExistsError, ValueError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
