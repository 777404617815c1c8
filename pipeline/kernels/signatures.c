/* Signatures for near-duplicates, a text at a time: the twin of `pipeline.dedupe.signatures`. */

#include "kernels.h"

enum { SHINGLE = 5, BINS = 512, COARSE = 128, ROWS = 6, BANDS = 20 };
/* A hash is 53 bits: the number of its bin, and below it what is compared. */
enum { HASH_SHIFT = 11, VALUE_BITS = 44 };

#define NOTHING (~UINT64_C(0))

static const uint64_t SPREAD[5] = {UINT64_C(0x9E3779B185EBCA87), UINT64_C(0xC2B2AE3D27D4EB4F), UINT64_C(0x165667B19E3779F9),
                                UINT64_C(0x85EBCA77C2B2AE63), UINT64_C(0x27D4EB2F165667C5)};

static uint64_t mixed(uint64_t value) {
    value = (value ^ value >> 32) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ value >> 29) * SPREAD[0];
    return value ^ value >> 32;
}

/* Eight bytes from a place; zeros stand for what lies beyond the end. */
static inline uint64_t eight_within(const uint8_t *place, const uint8_t *stop) {
    if (stop - place >= 8) return eight_bytes(place);
    uint64_t word = 0;
    if (stop > place) memcpy(&word, place, (size_t)(stop - place));
    return word;
}

/* No branch for words of more than eight bytes: one in five is, and which cannot be guessed. */
static inline uint64_t word_key(const uint8_t *word, const uint8_t *end, const uint8_t *stop) {
    int64_t size = end - word;
    uint64_t key = ((eight_within(word, stop) | LOWER) & low_bytes(size)) * SPREAD[1];
    key ^= ((eight_within(word + 8, stop) | LOWER) & low_bytes(size > 8 ? size - 8 : 0)) * SPREAD[2];
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

/* The words of a text so far: the keys of the last ones, and the smallest hash of their shingles in each bin. */
typedef struct {
    uint64_t recent[SHINGLE], *lowest;
    int64_t words;
} Shingles;

static inline void note(Shingles *shingles, int64_t from) {
    uint64_t sum = 0;
    for (int64_t i = from; i < SHINGLE; i++) sum += shingles->recent[i] * SPREAD[i - from];
    uint64_t hash = mixed(sum) >> HASH_SHIFT;
    uint64_t *bin = shingles->lowest + (hash >> VALUE_BITS), value = hash & ((UINT64_C(1) << VALUE_BITS) - 1);
    *bin = value < *bin ? value : *bin; /* no branch: every other value is smaller */
}

static inline void add_word(Shingles *shingles, uint64_t key) {
    for (int i = 0; i < SHINGLE - 1; i++) shingles->recent[i] = shingles->recent[i + 1];
    shingles->recent[SHINGLE - 1] = key;
    if (++shingles->words >= SHINGLE) note(shingles, 0);
}

/* Any text, byte by byte. */
static void add_words(const uint8_t *place, const uint8_t *stop, Shingles *shingles) {
    while (place < stop) {
        int64_t passed = sign_size(place, stop);
        if (passed) {
            place += passed;
            continue;
        }
        const uint8_t *begin = place;
        place = word_end(place + 1, stop);
        add_word(shingles, word_key(begin, place, stop));
    }
}

/* A bit for each of 64 bytes: parts of words, and first bytes of what may be a longer sign. Zeros stand for bytes beyond
 * the end. */
static inline void classify(const uint8_t *text, int64_t size, uint64_t *parts, uint64_t *leads) {
    uint8_t copy[BLOCK], part[BLOCK], lead[BLOCK];
    text = block_of(text, size, copy);
    for (int i = 0; i < BLOCK; i++) {
        uint8_t byte = text[i];
        part[i] = (uint8_t)(((uint8_t)((byte | 0x20) - 'a') < 26) | ((uint8_t)(byte - '0') < 10) | (byte >= 0x80));
        lead[i] = (byte == 0xC2) | (byte == 0xE2);
    }
    *parts = gather_bits(part);
    *leads = gather_bits(lead);
}

/* The same words, 64 bytes at a time, of a text without characters that are words by themselves. */
WIDER static void add_words_by_blocks(const uint8_t *text, int64_t size, Shingles *shingles) {
    const uint8_t *stop = text + size;
    uint64_t before = 0, cut = 0; /* the last byte of the block before; bytes of a sign that began in it */
    int64_t begin = -1;           /* of the word that is open */
    for (int64_t block = 0; block <= size; block += BLOCK) { /* a word that ends with the text stops in a zero */
        uint64_t parts, leads;
        classify(text + block, size - block, &parts, &leads);
        parts &= ~cut;
        for (cut = 0; leads; leads &= leads - 1) {
            int64_t place = __builtin_ctzll(leads), end = place + sign_size(text + block + place, stop);
            parts &= ~(low_bits(end - place) << place);
            if (end > BLOCK) cut = low_bits(end - BLOCK);
        }
        for (uint64_t change = parts ^ (parts << 1 | before); change; change &= change - 1) {
            int64_t place = block + __builtin_ctzll(change);
            if (begin < 0) {
                begin = place;
            } else {
                add_word(shingles, word_key(text + begin, text + place, stop));
                begin = -1;
            }
        }
        before = parts >> (BLOCK - 1);
    }
}

/* Whether a text has bytes that begin a character of Chinese, Japanese or Korean, or a sign of theirs. */
WIDER static int has_wide(const uint8_t *text, int64_t size) {
    uint8_t wide = 0;
    for (int64_t i = 0; i < size; i++) wide |= (uint8_t)(text[i] - 0xE3) <= 0xED - 0xE3;
    return wide;
}

/* The smallest hash of a text in each bin. */
static void find_lowest(const uint8_t *text, int64_t size, uint64_t *lowest) {
    Shingles shingles = {{0}, lowest, 0};
    for (int i = 0; i < BINS; i++) lowest[i] = NOTHING;
    if (has_wide(text, size)) {
        add_words(text, text + size, &shingles);
    } else {
        add_words_by_blocks(text, size, &shingles);
    }
    if (shingles.words > 0 && shingles.words < SHINGLE) note(&shingles, SHINGLE - shingles.words); /* one of all */
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
        find_lowest(buffer + base[text], base[text + 1] - base[text], lowest);
        write_sketch(lowest, (uint8_t *)views[2].buf + text * BINS);
        write_bands(lowest, (uint64_t *)views[3].buf + text * BANDS);
    }
    release(views, 4);
    if (!good) return NULL;
    Py_RETURN_NONE;
}
