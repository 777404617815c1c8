/* Texts without what does not tell them apart: the twin of `pipeline.dedupe.exact.folded`. */

#include "kernels.h"

/* Processors that can put bytes in any order do so; the answers are the same. */
#if defined(__x86_64__) && defined(__GNUC__)
#include <tmmintrin.h>
#define SHUFFLES __attribute__((target("ssse3")))
#endif

/* One text; returns where the next one goes. Every byte is written, and stays where the next does not take its place. */
static uint8_t *fold(const uint8_t *text, int64_t size, uint8_t *out) {
    for (int64_t i = 0; i < size; i++) {
        uint8_t byte = text[i];
        *out = byte | ((uint8_t)(byte - 'A') < 26 ? 0x20 : 0);
        out += (byte > 0x20) & (byte != 0x7F);
    }
    return out;
}

#ifdef SHUFFLES
/* For each choice of eight bytes: where those that stay come from, and how many they are. */
typedef struct {
    uint8_t from[256][8], count[256];
} Moves;

static void find_moves(Moves *moves) {
    memset(moves, 0, sizeof *moves);
    for (int stay = 0; stay < 256; stay++)
        for (int byte = 0; byte < 8; byte++)
            if (stay >> byte & 1) moves->from[stay][moves->count[stay]++] = (uint8_t)byte;
}

SHUFFLES static uint8_t *move(__m128i bytes, unsigned stay, const Moves *moves, uint8_t *out) {
    __m128i from = _mm_loadl_epi64((const __m128i *)moves->from[stay]);
    _mm_storel_epi64((__m128i *)out, _mm_shuffle_epi8(bytes, from));
    return out + moves->count[stay];
}

/* The same, sixteen bytes at a time. What is written never reaches beyond what was read. */
SHUFFLES static uint8_t *fold_shuffled(const uint8_t *text, int64_t size, const Moves *moves, uint8_t *out) {
    const __m128i space = _mm_set1_epi8(0x20), delete = _mm_set1_epi8(0x7F);
    int64_t i = 0;
    for (; i + 16 <= size; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(text + i));
        __m128i letter = _mm_sub_epi8(bytes, _mm_set1_epi8('A'));
        __m128i capital = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(25)), letter);
        __m128i drop = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(bytes, space), bytes), _mm_cmpeq_epi8(bytes, delete));
        unsigned stay = ~(unsigned)_mm_movemask_epi8(drop);
        bytes = _mm_or_si128(bytes, _mm_and_si128(capital, space));
        out = move(bytes, stay & 0xFF, moves, out);
        out = move(_mm_srli_si128(bytes, 8), stay >> 8 & 0xFF, moves, out);
    }
    return fold(text + i, size - i, out);
}
#endif

static void fold_all(const uint8_t *buffer, const int64_t *base, Py_ssize_t texts, uint8_t *out, int64_t *first) {
    const uint8_t *begin = out;
#ifdef SHUFFLES
    Moves moves;
    int shuffles = __builtin_cpu_supports("ssse3");
    if (shuffles) find_moves(&moves);
#endif
    for (Py_ssize_t text = 0; text < texts; text++) {
        const uint8_t *from = buffer + base[text];
        int64_t size = base[text + 1] - base[text];
        first[text] = out - begin;
#ifdef SHUFFLES
        if (shuffles) {
            out = fold_shuffled(from, size, &moves, out);
            continue;
        }
#endif
        out = fold(from, size, out);
    }
    first[texts] = out - begin;
}

/* fold_texts(buffer, base, folded, first); `folded` has room for one byte more than all texts have */
PyObject *fold_texts(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer views[4];
    if (!PyArg_ParseTuple(arguments, "y*y*w*w*", &views[0], &views[1], &views[2], &views[3])) return NULL;
    const uint8_t *buffer = views[0].buf;
    const int64_t *base = views[1].buf;
    uint8_t *folded = views[2].buf;
    int64_t *first = views[3].buf;
    Py_ssize_t texts = views[1].len / 8 - 1;
    int good = texts >= 0 && holds(&views[1], texts + 1, 8, "base") && holds(&views[3], texts + 1, 8, "first") &&
               holds(&views[2], views[0].len + 1, 1, "folded") && divides(base, texts, views[0].len);
    if (good) fold_all(buffer, base, texts, folded, first);
    release(views, 4);
    if (!good) return NULL;
    Py_RETURN_NONE;
}
