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

/* The low `count` bits, for counts from 0 to 63. */
static inline uint64_t low_bits(int64_t count) { return (UINT64_C(1) << count) - 1; }

/* How many bytes are looked at together, a bit of a number for each. */
enum { BLOCK = 64 };

/* A bit for each of 64 bytes that are 0 or 1: eight at a time, a product brings their low bits together. */
static inline uint64_t gather_bits(const uint8_t *flag) {
    uint64_t bits = 0;
    for (int i = 0; i < BLOCK; i += 8) bits |= (eight_bytes(flag + i) * UINT64_C(0x0102040810204080) >> 56) << i;
    return bits;
}

PyObject *split_lines(PyObject *module, PyObject *arguments);
PyObject *count_words(PyObject *module, PyObject *arguments);
PyObject *hash_lines(PyObject *module, PyObject *arguments);
PyObject *holds_any(PyObject *module, PyObject *arguments);
PyObject *same_bytes(PyObject *module, PyObject *arguments);
PyObject *join_ranges(PyObject *module, PyObject *arguments);
PyObject *read_words(PyObject *module, PyObject *arguments);
PyObject *weigh_words(PyObject *module, PyObject *arguments);

#endif
