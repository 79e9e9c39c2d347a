"""Strategies: cohorts in every accepted form, and what is no cohort at all."""

import numpy as np
import pandas as pd
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.validation import material
from tests.validation.drawing import MISSING, Context
from tests.validation.generated import ARRAYS, FORMS, Cohort

EVERY = ("functional", "structural", "multimodal")


@st.composite
def cohorts(draw, forms=FORMS, modalities=EVERY, **fixed):
    """Draw a cohort that an encoder can learn from; `fixed` is what a test needs it to be like."""

    def pick(*options):
        return draw(st.sampled_from(options))

    def decide(name, *options):
        return fixed[name] if name in fixed else pick(*options)

    form = pick(*forms)
    single = [modality for modality in modalities if modality != "multimodal"]
    modality = pick(*{"table": modalities, "univariate": ("functional",)}.get(form, single))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_rows = decide("n_rows", *range(2, 7))
    n_rois = 1 if form == "univariate" else decide("n_rois", *range(1, 13))
    options = {
        "modality": modality if modality == "structural" or pick(True, False) else "auto",
        "readout": pick("connectivity", "flatten", "mean", "moments"),
        "spectral_power": pick(1.0, 0.35),
        "scaling": pick("robust", "robust", None),
        "nan_policy": decide("nan_policy", "raise", "omit"),
        "time_steps": pick(12, 5, 40),
        "encoder": {
            "structural_layers": 1,
            "structural_attention": pick("first_hop", "multi_hop", "diffusion"),
            "structural_positions": pick("learnable", "laplacian"),
        },
    }
    cohort = Cohort(form, n_rois, options)
    context = Context(pick, decide, rng, cohort, n_rows, modality)
    if modality != "structural":
        context.add_series()
        # What is square and symmetric throughout is refused as connectomes.
        assume(not all(np.array_equal(s, np.transpose(s)) for s in cohort.cells["timeseries"]))
    if modality != "functional":
        context.add_connectomes()
    if modality == "multimodal":
        _leave_out(context)
    if form in ("table", "list"):
        _name_rois(context)
    if form == "table":
        _add_frame(context)
    containers = {
        "list": ("plain", "tuple", "series", "objects"),
        "univariate": (*material.LAYOUTS, "frame", "lists"),
    }
    cohort.container = pick(*containers.get(form, material.LAYOUTS))
    return cohort


def _leave_out(context):
    """Let some rows lack a modality."""
    lacking = [context.pick(None, None, *ARRAYS) for _ in range(context.n_rows)]
    for i, column in enumerate(lacking):
        if column is not None and any(other != column for other in lacking):
            context.cohort.cells[column][i] = context.pick(*MISSING)
            context.cohort.truth[column][i] = None


def _name_rois(context):
    """Name ROIs in one order, or in another one in each array, or by the parameter."""
    cohort, pick, rng = context.cohort, context.pick, context.rng
    naming = context.decide("naming", None, None, "ordered", "shuffled", "parameter")
    if naming is None:
        return
    # Over one column, a space would look like one between two columns.
    names = np.array([f"ROI {i}" for i in range(cohort.n_rois)] if cohort.n_rois > 1 else ["ROI"])
    if naming == "parameter":
        cohort.options["roi_names"] = pick(list, tuple, np.array)(names)
    reference = None
    for i in range(context.n_rows):
        present = [c for c in ARRAYS if c in cohort.truth and cohort.truth[c][i] is not None]
        named = [True] * len(present)
        if naming == "parameter":
            named = [pick(True, False) for _ in present]
        elif len(present) == 2:
            named = list(pick((True, True), (True, False), (False, True)))
        shared = rng.permutation(cohort.n_rois)
        for column, own in zip(present, named, strict=True):
            # Where only one array of a row is named, its names are those of the other.
            order = rng.permutation(cohort.n_rois) if all(named) else shared
            if naming == "ordered" or (naming == "parameter" and not own):
                order = np.arange(cohort.n_rois)
            reference = order if reference is None and own else reference
            cell = _reorder(np.asarray(cohort.cells[column][i]), order, column)
            cohort.cells[column][i] = pd.DataFrame(cell, columns=names[order]) if own else cell
    if naming == "shuffled":  # the truth has no names, so it must be in the encoder's order
        for column in cohort.truth.keys() & set(ARRAYS):
            cohort.truth[column] = [
                None if array is None else _reorder(array, reference, column)
                for array in cohort.truth[column]
            ]


def _reorder(array, order, column):
    return array[np.ix_(order, order)] if column == "connectome" else array[:, order]


def _add_frame(context):
    """Draw the index of a table and what else stands in it."""
    n_rows, pick = context.n_rows, context.pick
    indices = _indices(n_rows)
    more = {
        "age": np.linspace(20, 40, n_rows),
        "sex": pd.Categorical(list("FMFMFM")[:n_rows]),
        "visit": pd.date_range("2020-01-01", periods=n_rows),
        "smokes": pd.array([True, None, False, True, None, True][:n_rows], dtype="boolean"),
        "count": pd.array([1, None, 3, 4, 5, 6][:n_rows], dtype="Int64"),
        "notes": [["a"], {"b": 1}, None, "c", 3, 4.0][:n_rows],
        "gradients": [np.zeros(4)] * n_rows,
        3: np.arange(n_rows),
        ("a", "b"): np.arange(n_rows),
    }
    chosen = [pick(*more) for _ in range(pick(0, 1, 2, 3))]  # names may repeat
    columns = [(name, more[name]) for name in chosen]
    if pick(False, False, True):
        columns.append(("participant_id", [f"s{i // 2}" for i in range(n_rows)]))
    context.cohort.frame = {
        "index": indices[pick(*indices)],
        "more": columns,
        "order": pick(*range(10)),
    }


def _indices(n_rows):
    numbers = np.arange(n_rows)
    levels = [numbers // 2, numbers % 2]
    return {
        "range": pd.RangeIndex(n_rows),
        "numbers": pd.Index(numbers[::-1] * 7),
        "text": pd.Index([f"sub-{i}" for i in numbers], name="participant_id"),
        "repeated": pd.Index([f"sub-{i // 2}" for i in numbers]),
        "levels": pd.MultiIndex.from_arrays(levels, names=["participant_id", "session"]),
        "same names": pd.MultiIndex.from_arrays(levels, names=["participant_id"] * 2),
        "dates": pd.date_range("2020-01-01", periods=n_rows),
        "floats": pd.Index(numbers / 3),
        "mixed": pd.Index([f"s{i}" if i % 2 else i for i in numbers], dtype=object),
        "categories": pd.CategoricalIndex(list("abcabc")[:n_rows]),
    }


# What is no cohort, or hardly ever.
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.decimals(allow_nan=False),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.dates(),
    st.sampled_from([pd.NA, pd.NaT, 10**400, Ellipsis, len]),
)
_arrays = hnp.arrays(
    hnp.scalar_dtypes() | hnp.array_dtypes(max_size=2),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
)


def _collections(inner):
    return st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
        st.lists(inner, max_size=4).map(lambda items: pd.Series(items, dtype=object)),
        st.sets(st.integers(), max_size=3),
    )


junk = st.recursive(_scalars | _arrays, _collections, max_leaves=8)


@st.composite
def junk_tables(draw):
    """Draw a table with anything in the columns that are read."""
    n_rows = draw(st.integers(0, 4))
    columns = ("timeseries", "connectome", "sample_mask", "t_r", "participant_id", "other")
    names = draw(st.lists(st.sampled_from(columns), max_size=4))
    cells = [draw(st.lists(junk, min_size=n_rows, max_size=n_rows)) for _ in names]
    table = [pd.Series(c, dtype=object, name=n) for n, c in zip(names, cells, strict=True)]
    return pd.concat(table, axis=1) if table else pd.DataFrame(index=range(n_rows))


anything = junk | junk_tables() | st.lists(_arrays, min_size=1, max_size=3)
