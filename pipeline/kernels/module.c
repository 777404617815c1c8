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

int ascends_within(const int64_t *first, Py_ssize_t count, int64_t limit) {
    int64_t last = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (first[i] < last || first[i] > limit) {
            PyErr_Format(PyExc_ValueError, "offset %zd is out of order", i);
            return 0;
        }
        last = first[i];
    }
    return 1;
}

void release(Py_buffer *views, int count) {
    for (int i = 0; i < count; i++) PyBuffer_Release(&views[i]);
}

static PyMethodDef functions[] = {
    {"split_lines", split_lines, METH_VARARGS, "See `pipeline.strip.lines.split_lines`."},
    {"count_words", count_words, METH_VARARGS, "See `pipeline.strip.lines.count_words`."},
    {"hash_lines", hash_lines, METH_VARARGS, "See `pipeline.strip.repetition.line_keys`."},
    {"holds_any", holds_any, METH_VARARGS, "See `pipeline.strip.ranges.holds_any`."},
    {"same_bytes", same_bytes, METH_VARARGS, "See `pipeline.strip.ranges.same_bytes`."},
    {"join_ranges", join_ranges, METH_VARARGS, "See `pipeline.strip.ranges.concatenated`."},
    {"read_words", read_words, METH_VARARGS, "See `pipeline.strip.model.tokens.read_words`."},
    {"weigh_words", weigh_words, METH_VARARGS, "See `pipeline.strip.model.LineModel.read`."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_compiled", "Inner loops; see `pipeline.kernels`.", 0, functions, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__compiled(void) { return PyModuleDef_Init(&definition); }
