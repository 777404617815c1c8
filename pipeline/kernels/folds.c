/* Texts without what does not tell them apart: the twin of `pipeline.dedupe.exact.folded`. */

#include "kernels.h"

/* One text; returns where the next one goes. Every byte is written, and stays where the next does not take its place. */
static uint8_t *fold(const uint8_t *text, int64_t size, uint8_t *out) {
    for (int64_t i = 0; i < size; i++) {
        uint8_t byte = text[i];
        *out = byte | ((uint8_t)(byte - 'A') < 26 ? 0x20 : 0);
        out += (byte > 0x20) & (byte != 0x7F);
    }
    return out;
}

/* fold_texts(buffer, base, folded, first); `folded` has room for one byte more than all texts have */
PyObject *fold_texts(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer views[4];
    if (!PyArg_ParseTuple(arguments, "y*y*w*w*", &views[0], &views[1], &views[2], &views[3])) return NULL;
    const uint8_t *buffer = views[0].buf;
    const int64_t *base = views[1].buf;
    uint8_t *folded = views[2].buf, *out = folded;
    int64_t *first = views[3].buf;
    Py_ssize_t texts = views[1].len / 8 - 1;
    int good = texts >= 0 && holds(&views[1], texts + 1, 8, "base") && holds(&views[3], texts + 1, 8, "first") &&
               holds(&views[2], views[0].len + 1, 1, "folded") && divides(base, texts, views[0].len);
    for (Py_ssize_t text = 0; good && text < texts; text++) {
        first[text] = out - folded;
        out = fold(buffer + base[text], base[text + 1] - base[text], out);
    }
    if (good) first[texts] = out - folded;
    release(views, 4);
    if (!good) return NULL;
    Py_RETURN_NONE;
}
