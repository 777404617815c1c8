/* What every kernel needs: fixed-width numbers, checked buffers, and the limited API (one build for Python 3.11 and on).
 *
 * Arrays come as buffers: "y*" is read, "w*" is filled. `pipeline/kernels/_compiled.pyi` says what each function takes;
 * the NumPy twin of each says what it does. */

#ifndef PIPELINE_KERNELS_H
#define PIPELINE_KERNELS_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the kernels read text as little-endian words; NumPy does the work on this machine"
#endif

/* Whether a buffer holds exactly `count` values of `size` bytes; sets ValueError where it does not. */
int holds(const Py_buffer *view, Py_ssize_t count, size_t size, const char *name);

/* Whether 0 <= start[i] <= end[i] <= limit for all i; sets ValueError where not. */
int ranges_within(const int64_t *start, const int64_t *end, Py_ssize_t count, int64_t limit);

/* Whether first[0] >= 0, first never falls, and its last value is at most limit; sets ValueError where not. */
int ascends_within(const int64_t *first, Py_ssize_t count, int64_t limit);

void release(Py_buffer *views, int count);

/* Eight bytes from an address, whatever its alignment. */
static inline uint64_t eight_bytes(const uint8_t *place) {
    uint64_t word;
    memcpy(&word, place, sizeof word);
    return word;
}

/* The low `size` bytes of a word, for sizes from 0 to 8. */
static inline uint64_t low_bytes(int64_t size) {
    return size >= 8 ? ~UINT64_C(0) : (UINT64_C(1) << (8 * size)) - 1;
}

PyObject *read_words(PyObject *module, PyObject *arguments);
PyObject *weigh_words(PyObject *module, PyObject *arguments);
PyObject *sign_texts(PyObject *module, PyObject *arguments);
PyObject *find_candidates(PyObject *module, PyObject *arguments);
PyObject *see_lines(PyObject *module, PyObject *arguments);
PyObject *plain_lines(PyObject *module, PyObject *arguments);

#endif
