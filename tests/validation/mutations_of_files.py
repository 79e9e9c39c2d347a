"""Ways to spoil a file that a cell names."""

import tempfile
from pathlib import Path

import numpy as np

from tests.validation.mutations import SERIES, WEIGHTS, Mutation

_FOLDER = tempfile.TemporaryDirectory()


def _file(name, write, column):
    """Put the path of a file into one cell."""

    def spoil(cohort, row, rng):
        path = Path(_FOLDER.name) / name
        if write is not None:
            write(path)
        cells = list(cohort.cells[column])
        cells[row] = rng.choice([str, Path])(path)
        return cohort.X(cohort.cells | {column: cells})

    return spoil


def _text(content):
    return lambda path: path.write_text(content)


def _npy(array, pickle=False):
    return lambda path: np.save(path, array, allow_pickle=pickle)


def _sidecar(content):
    def write(path):
        rows = np.random.default_rng(0).normal(size=(9, 3))
        np.savetxt(path, rows, delimiter="\t", header="a\tb\tc", comments="")
        path.with_suffix(".json").write_bytes(content)

    return write


OF_SERIES = {
    "folder.tsv": lambda path: path.mkdir(exist_ok=True),
    "absent.tsv": None,
    "x" * 3000 + ".tsv": None,
    "null\0byte.tsv": None,
    "series.xyz": _text("1\t2\n3\t4\n"),
    "series.dtseries.nii": _text("1\t2\n3\t4\n"),
    "broken.ptseries.nii": _text("1\t2\n3\t4\n"),
    "empty.tsv": _text(""),
    "header.tsv": _text("a\tb\n"),
    "words.tsv": _text("a\tb\n1\tlow\n2\thigh\n"),
    "ragged.csv": _text("1,2\n3\n4,5,6\n"),
    "bytes.tsv": lambda path: path.write_bytes(bytes(range(256)) * 3),
    "utf-16.tsv": lambda path: path.write_bytes("a\tb\n1\t2\n".encode("utf-16")),
    "bytes.npy": lambda path: path.write_bytes(bytes(range(256))),
    "cut.npy": lambda path: path.write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr': '<f8'"),
    "empty.npy": _text(""),
    "pickled.npy": _npy(np.array([{"a": 1}, None], dtype=object), pickle=True),
    "3-D.npy": _npy(np.ones((3, 4, 5))),
    "text.npy": _npy(np.array([["a", "b"]])),
    "complex.npy": _npy(np.ones((4, 3)) * 1j),
    "dates.npy": _npy(np.full((4, 3), "2020", dtype="M8[Y]")),
    "infinite.npy": _npy(np.full((20, 3), np.inf)),
    "large.npy": _npy(np.full((20, 3), 1e300)),
    "words_sidecar.tsv": _sidecar(b"{'RepetitionTime': 2"),
    "list_sidecar.tsv": _sidecar(b"[2.0]"),
    "text_sidecar.tsv": _sidecar(b'{"RepetitionTime": "fast"}'),
    "milliseconds_sidecar.tsv": _sidecar(b'{"RepetitionTime": 2000}'),
    "bytes_sidecar.tsv": _sidecar(bytes(range(256))),
}
OF_CONNECTOMES = {
    "absent.csv": None,
    "absent.mat::key": None,
    "connectome.xyz": _text("1,2\n2,1\n"),
    "wide.csv": _text("1,2,3\n2,1,4\n"),
    "empty.csv": _text(""),
    "words.csv": _text("a,b\n1,x\n"),
    "bytes.mat": lambda path: path.write_bytes(bytes(range(256))),
    "edgeless.csv": _text("1,0\n0,1\n"),
    "3-D.npy": _npy(np.ones((3, 3, 3))),
}


def of_files():
    """Collect the mutations of files, by name."""
    found = {}
    plain = {"t_r": None, "censored": False, "n_rows": 3, "n_rois": 3}
    for name, write in OF_SERIES.items():
        found[f"file: {name[:30]!r}"] = Mutation(
            _file(name, write, "timeseries"), forms=("table",), modalities=SERIES, needs=plain
        )
    for name, write in OF_CONNECTOMES.items():
        found[f"file of connectome: {name!r}"] = Mutation(
            _file(name, write, "connectome"),
            forms=("table",),
            modalities=WEIGHTS,
            needs={"n_rois": 2},
        )
    return found
