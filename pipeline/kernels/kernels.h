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

#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

/* The low `size` bytes of a word, for sizes from 0 to 8. */
static inline uint64_t low_bytes(int64_t size) {
    return size >= 8 ? ~UINT64_C(0) : (UINT64_C(1) << (8 * size)) - 1;
}

/* Factors that spread the bits of a hash. */
#define MIX UINT64_C(0x9E3779B97F4A7C15)
#define MIX_B UINT64_C(0xC2B2AE3D27D4EB4F)
#define MIX_C UINT64_C(0x165667B19E3779F9)

/* Makes ASCII letters in eight bytes lower-case. */
#define LOWER UINT64_C(0x2020202020202020)

/* Sums of weights are kept in lanes of 16 bits, four to a number; each weight has this added. Lines with as many tokens
 * as `MOST_TOKENS` or more are scaled alike. */
enum { LANES = 4, LANE_BITS = 16, BIAS = 64, MOST_TOKENS = 320 };

/* The low `count` bits, for counts from 0 to 63. */
static inline uint64_t low_bits(int64_t count) { return (UINT64_C(1) << count) - 1; }

/* How many bytes are looked at together, a bit of a number for each. */
enum { BLOCK = 64 };

/* A bit for each of 64 bytes that are 0 or 1. */
static inline uint64_t gather_bits(const uint8_t *flag) {
    uint64_t bits = 0;
#ifdef __SSE2__
    for (int i = 0; i < BLOCK; i += 16) {
        __m128i high = _mm_slli_epi16(_mm_loadu_si128((const __m128i *)(flag + i)), 7);
        bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(high) << i;
    }
#else /* eight at a time, a product brings their low bits together */
    for (int i = 0; i < BLOCK; i += 8) bits |= (eight_bytes(flag + i) * UINT64_C(0x0102040810204080) >> 56) << i;
#endif
    return bits;
}

/* A block of text; of a shorter one a copy with zeros behind it. */
static inline const uint8_t *block_of(const uint8_t *text, int64_t size, uint8_t *copy) {
    if (size >= BLOCK) return text;
    memset(copy, 0, BLOCK);
    memcpy(copy, text, (size_t)size);
    return copy;
}

PyObject *count_words(PyObject *module, PyObject *arguments);
PyObject *find_candidates(PyObject *module, PyObject *arguments);
PyObject *fold_texts(PyObject *module, PyObject *arguments);
PyObject *hash_lines(PyObject *module, PyObject *arguments);
PyObject *holds_any(PyObject *module, PyObject *arguments);
PyObject *join_ranges(PyObject *module, PyObject *arguments);
PyObject *label_lines(PyObject *module, PyObject *arguments);
PyObject *line_features(PyObject *module, PyObject *arguments);
PyObject *plain_lines(PyObject *module, PyObject *arguments);
PyObject *read_lines(PyObject *module, PyObject *arguments);
PyObject *same_bytes(PyObject *module, PyObject *arguments);
PyObject *see_lines(PyObject *module, PyObject *arguments);
PyObject *sign_texts(PyObject *module, PyObject *arguments);
PyObject *split_lines(PyObject *module, PyObject *arguments);
PyObject *sum_trees(PyObject *module, PyObject *arguments);
PyObject *surroundings(PyObject *module, PyObject *arguments);

#endif
