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

/* Loops that are compiled twice, so that processors with wider registers, or which count bits, do so; the answers are
 * the same. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__gnu_linux__)
#define WIDER __attribute__((target_clones("avx2", "default")))
#define COUNTING __attribute__((target_clones("popcnt", "default")))
#else
#define WIDER
#define COUNTING
#endif

/* Whether a buffer holds exactly `count` values of `size` bytes; sets ValueError where it does not. */
int holds(const Py_buffer *view, Py_ssize_t count, size_t size, const char *name);

/* Whether 0 <= start[i] <= end[i] <= limit for all i; sets ValueError where not. */
int ranges_within(const int64_t *start, const int64_t *end, Py_ssize_t count, int64_t limit);

/* Whether first[0] is 0, first never falls, and first[parts] is count; sets ValueError where not. */
int divides(const int64_t *first, Py_ssize_t parts, int64_t count);

void release(Py_buffer *views, int count);

/* Eight bytes from an address, whatever its alignment. */
static inline uint64_t eight_bytes(const uint8_t *place) {
    uint64_t word;
    memcpy(&word, place, sizeof word);
    return word;
}

/* Factors that spread the bits of a hash. */
#define MIX UINT64_C(0x9E3779B97F4A7C15)
#define MIX_B UINT64_C(0xC2B2AE3D27D4EB4F)
#define MIX_C UINT64_C(0x165667B19E3779F9)

/* Sums of weights are kept in lanes of 16 bits, four to a number; each weight has this added. Lines with as many tokens
 * as `MOST_TOKENS` or more are scaled alike. */
enum { LANES = 4, LANE_BITS = 16, BIAS = 64, MOST_TOKENS = 320 };

PyObject *label_lines(PyObject *module, PyObject *arguments);
PyObject *line_features(PyObject *module, PyObject *arguments);
PyObject *read_lines(PyObject *module, PyObject *arguments);
PyObject *sum_trees(PyObject *module, PyObject *arguments);
PyObject *surroundings(PyObject *module, PyObject *arguments);

#endif
