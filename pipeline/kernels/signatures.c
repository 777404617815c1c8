/* Signatures for near-duplicates, a text at a time: the twin of `pipeline.dedupe.signatures`. */

#include "kernels.h"

enum { SHINGLE = 5, BINS = 512, COARSE = 128, ROWS = 6, BANDS = 20 };
/* A hash is 53 bits: the number of its bin, and below it what is compared. */
enum { HASH_SHIFT = 11, VALUE_BITS = 44 };

#define NOTHING (~UINT64_C(0))
#define LOWER UINT64_C(0x2020202020202020)

static const uint64_t SPREAD[5] = {UINT64_C(0x9E3779B185EBCA87), UINT64_C(0xC2B2AE3D27D4EB4F), UINT64_C(0x165667B19E3779F9),
                                UINT64_C(0x85EBCA77C2B2AE63), UINT64_C(0x27D4EB2F165667C5)};

static uint64_t mixed(uint64_t value) {
    value = (value ^ value >> 32) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ value >> 29) * SPREAD[0];
    return value ^ value >> 32;
}

/* Eight bytes from a place; zeros stand for what lies beyond the end. */
static uint64_t eight_within(const uint8_t *place, const uint8_t *stop) {
    if (stop - place >= 8) return eight_bytes(place);
    uint64_t word = 0;
    memcpy(&word, place, stop - place);
    return word;
}

static uint64_t word_key(const uint8_t *word, const uint8_t *end, const uint8_t *stop) {
    int64_t size = end - word;
    uint64_t key = ((eight_within(word, stop) | LOWER) & low_bytes(size)) * SPREAD[1];
    if (size > 8) key ^= ((eight_within(word + 8, stop) | LOWER) & low_bytes(size - 8)) * SPREAD[2];
    if (size > 16) key ^= ((eight_bytes(end - 8) | LOWER) + (uint64_t)size) * SPREAD[3];
    return key ^ key >> 32;
}

/* What a byte can be: a part of a word, a sign of one byte, the first byte of what may be a longer sign, or the first
 * of a character of Chinese, Japanese or Korean, which is a word by itself. */
enum { SIGN = 0, PART = 1, LEAD = 2, OPENS = 3 };
static const uint8_t KIND[256] = {
    ['0' ... '9'] = PART, ['A' ... 'Z'] = PART,   ['a' ... 'z'] = PART,    [0x80 ... 0xC1] = PART, [0xC2] = LEAD,
    [0xC3 ... 0xE1] = PART, [0xE2] = LEAD, [0xE3] = LEAD, [0xE4 ... 0xED] = OPENS, [0xEE ... 0xFF] = PART,
};

/* How many bytes a sign takes; 0 where a word begins or goes on. */
static int64_t sign_size(const uint8_t *place, const uint8_t *stop) {
    if (KIND[*place] != LEAD) return KIND[*place] == SIGN;
    if (*place == 0xC2) return 2;
    return place + 1 < stop && place[1] == 0x80 ? 3 : 0;
}

/* Where a word ends that goes on here, if it does. */
static const uint8_t *word_end(const uint8_t *place, const uint8_t *stop) {
    while (place < stop && (KIND[*place] == PART || (*place == 0xE2 && !sign_size(place, stop)))) place++;
    return place;
}

static void note(uint64_t *lowest, uint64_t sum) {
    uint64_t hash = mixed(sum) >> HASH_SHIFT;
    uint64_t *bin = lowest + (hash >> VALUE_BITS), value = hash & ((UINT64_C(1) << VALUE_BITS) - 1);
    if (value < *bin) *bin = value;
}

/* The smallest hash of a text in each bin. */
static void find_lowest(const uint8_t *place, const uint8_t *stop, uint64_t *lowest) {
    uint64_t recent[SHINGLE] = {0};
    int64_t words = 0;
    for (int i = 0; i < BINS; i++) lowest[i] = NOTHING;
    while (place < stop) {
        int64_t passed = sign_size(place, stop);
        if (passed) {
            place += passed;
            continue;
        }
        const uint8_t *begin = place;
        place = word_end(place + 1, stop);
        for (int i = 0; i < SHINGLE - 1; i++) recent[i] = recent[i + 1];
        recent[SHINGLE - 1] = word_key(begin, place, stop);
        if (++words < SHINGLE) continue;
        uint64_t sum = 0;
        for (int i = 0; i < SHINGLE; i++) sum += recent[i] * SPREAD[i];
        note(lowest, sum);
    }
    if (words > 0 && words < SHINGLE) { /* one shingle of all there are */
        uint64_t sum = 0;
        for (int64_t i = 0; i < words; i++) sum += recent[SHINGLE - words + i] * SPREAD[i];
        note(lowest, sum);
    }
}

static void write_sketch(const uint64_t *lowest, uint8_t *out) {
    for (int i = 0; i < BINS; i++) out[i] = lowest[i] == NOTHING ? 0 : (uint8_t)((lowest[i] & 0xFFFF) % 255 + 1);
}

static void write_bands(const uint64_t *lowest, uint64_t *out) {
    uint64_t coarse[COARSE], filled[COARSE];
    for (int i = 0; i < COARSE; i++) {
        coarse[i] = NOTHING;
        for (int k = 0; k < BINS / COARSE; k++) {
            uint64_t value = lowest[i * (BINS / COARSE) + k];
            if (value < coarse[i]) coarse[i] = value;
        }
    }
    int upcoming = 2 * COARSE; /* the next range that holds anything, going round; its distance is mixed in */
    for (int i = 2 * COARSE - 1; i >= 0; i--) {
        if (coarse[i % COARSE] != NOTHING) upcoming = i;
        if (i < COARSE) filled[i] = coarse[upcoming % COARSE] + (uint64_t)(upcoming - i) * SPREAD[4];
    }
    for (int band = 0; band < BANDS; band++) {
        uint64_t key = 0;
        for (int row = 0; row < ROWS; row++) {
            key = (key ^ filled[band * ROWS + row]) * SPREAD[row % 5];
            key ^= key >> 31;
        }
        out[band] = mixed(key + (uint64_t)band * SPREAD[1]);
    }
}

/* sign_texts(buffer, base, sketch, bands) */
PyObject *sign_texts(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer views[4];
    if (!PyArg_ParseTuple(arguments, "y*y*w*w*", &views[0], &views[1], &views[2], &views[3])) return NULL;
    const uint8_t *buffer = views[0].buf;
    const int64_t *base = views[1].buf;
    Py_ssize_t texts = views[1].len / 8 - 1;
    int good = texts >= 0 && holds(&views[1], texts + 1, 8, "base") && holds(&views[2], texts * BINS, 1, "sketch") &&
               holds(&views[3], texts * BANDS, 8, "bands") && divides(base, texts, views[0].len);
    for (Py_ssize_t text = 0; good && text < texts; text++) {
        uint64_t lowest[BINS];
        find_lowest(buffer + base[text], buffer + base[text + 1], lowest);
        write_sketch(lowest, (uint8_t *)views[2].buf + text * BINS);
        write_bands(lowest, (uint64_t *)views[3].buf + text * BANDS);
    }
    release(views, 4);
    if (!good) return NULL;
    Py_RETURN_NONE;
}
