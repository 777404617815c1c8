/* The module `pipeline.kernels._compiled`: its table of functions, and the checks that all of them share. */

#include "kernels.h"

int holds(const Py_buffer *view, Py_ssize_t count, size_t size, const char *name) {
    if (count >= 0 && view->len == count * (Py_ssize_t)size) return 1;
    PyErr_Format(PyExc_ValueError, "%s holds %zd bytes, wanted are %zd values of %zu", name, view->len, count, size);
    return 0;
}

int ranges_within(const int64_t *start, const int64_t *end, Py_ssize_t count, int64_t limit) {
    for (Py_ssize_t i = 0; i < count; i++) {
        if (start[i] < 0 || start[i] > end[i] || end[i] > limit) {
            PyErr_Format(PyExc_ValueError, "range %zd does not lie within the buffer", i);
            return 0;
        }
    }
    return 1;
}

int divides(const int64_t *first, Py_ssize_t parts, int64_t count) {
    int good = first[0] == 0 && first[parts] == count;
    for (Py_ssize_t i = 0; i < parts; i++) good &= first[i] <= first[i + 1];
    if (!good) PyErr_SetString(PyExc_ValueError, "offsets are out of order");
    return good;
}

void release(Py_buffer *views, int count) {
    for (int i = 0; i < count; i++) PyBuffer_Release(&views[i]);
}

static PyMethodDef functions[] = {
    {"count_words", count_words, METH_VARARGS, "See `pipeline.strip.lines.count_words`."},
    {"find_candidates", find_candidates, METH_VARARGS, "See `pipeline.strip.rules.candidates.Candidates.find`."},
    {"fold_texts", fold_texts, METH_VARARGS, "See `pipeline.dedupe.exact.folded`."},
    {"hash_lines", hash_lines, METH_VARARGS, "See `pipeline.strip.repetition.line_keys`."},
    {"holds_any", holds_any, METH_VARARGS, "See `pipeline.strip.ranges.holds_any`."},
    {"join_ranges", join_ranges, METH_VARARGS, "See `pipeline.strip.ranges.concatenated`."},
    {"label_lines", label_lines, METH_VARARGS, "See `pipeline.strip.model.LineModel.score`."},
    {"line_features", line_features, METH_VARARGS, "See `pipeline.strip.model.features.line_features`."},
    {"plain_lines", plain_lines, METH_VARARGS, "See `pipeline.strip.rules.plain.plain_lines`."},
    {"read_lines", read_lines, METH_VARARGS, "See `pipeline.strip.model.LineModel.read`."},
    {"same_bytes", same_bytes, METH_VARARGS, "See `pipeline.strip.ranges.same_bytes`."},
    {"see_lines", see_lines, METH_VARARGS, "See `pipeline.strip.rules.seen.Seen`."},
    {"sign_texts", sign_texts, METH_VARARGS, "See `pipeline.dedupe.signatures.signatures`."},
    {"split_lines", split_lines, METH_VARARGS, "See `pipeline.strip.lines.split_lines`."},
    {"sum_trees", sum_trees, METH_VARARGS, "See `pipeline.strip.model.LineModel.score`."},
    {"surroundings", surroundings, METH_VARARGS, "See `pipeline.strip.model.neighbours.surroundings`."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_compiled", "Inner loops; see `pipeline.kernels`.", 0, functions, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__compiled(void) { return PyModuleDef_Init(&definition); }
