/* Which patterns can match which lines: their words, looked up in what the patterns need. */

#include "kernels.h"

/* As in wordkeys.py, scarcity.py and prefilter.py. */
#define PAIR (UINT64_C(1) << 63)
#define FIRST (UINT64_C(1) << 62)
#define LAST (UINT64_C(1) << 61)
enum { KEY_LETTERS = 6, MOST_REQUIREMENTS = 3, NO_LETTERS = 1 << 5 };

/* As in candidates.py. */
enum { BUCKET_BITS = 14, FILTER_BITS = 18 };

/* The words that patterns ask for, see `Candidates`. */
struct index {
    const uint64_t *key, *filter;
    const int64_t *bucket, *asked_first, *asked;
    const uint8_t *needed;
    int64_t patterns;
};

/* What one line has met so far: bits of requirements of each pattern, and the patterns that have any. */
struct met {
    uint8_t *bits;
    int32_t *touched;
    int64_t count;
};

static void look_up(const struct index *index, uint64_t key, struct met *met) {
    uint64_t mixed = key * MIX, place = mixed >> (64 - FILTER_BITS), bucket = mixed >> (64 - BUCKET_BITS);
    if (!(index->filter[place / 64] >> place % 64 & 1)) return;
    for (int64_t number = index->bucket[bucket]; number < index->bucket[bucket + 1]; number++) {
        if (index->key[number] != key) continue;
        for (int64_t i = index->asked_first[number]; i < index->asked_first[number + 1]; i++) {
            int64_t pattern = index->asked[i] / MOST_REQUIREMENTS;
            if (!met->bits[pattern]) met->touched[met->count++] = (int32_t)pattern;
            met->bits[pattern] |= (uint8_t)(1 << index->asked[i] % MOST_REQUIREMENTS);
        }
        return;
    }
}

/* A bit for each of at most 64 bytes: whether it is an ASCII letter. */
static uint64_t letters_of(const uint8_t *text, int64_t size) {
    uint8_t copy[BLOCK], letter[BLOCK];
    text = block_of(text, size, copy);
    for (int i = 0; i < BLOCK; i++) letter[i] = (uint8_t)((text[i] | 0x20) - 'a') < 26;
    return gather_bits(letter);
}

static uint64_t key_of(const uint8_t *text, int64_t begin, int64_t stop, int64_t limit) {
    uint64_t word = 0;
    if (begin + 8 <= limit) {
        word = eight_bytes(text + begin);
    } else {
        memcpy(&word, text + begin, (size_t)(limit - begin));
    }
    return (word | LOWER) & low_bytes(stop - begin < KEY_LETTERS ? stop - begin : KEY_LETTERS);
}

/* Meet what the words of a line meet; `text` is the line, `limit` how many bytes of the buffer there are from it on. */
static void read_line(const struct index *index, const uint8_t *text, int64_t size, int64_t limit, int64_t head,
                      int64_t tail, struct met *met) {
    uint64_t before = 0, previous = 0;
    int64_t begin = -1; /* of the word that is open */
    int has_word = 0;
    for (int64_t block = 0; block <= size; block += BLOCK) { /* a word that ends with the line stops in a zero */
        uint64_t letter = letters_of(text + block, size - block < BLOCK ? size - block : BLOCK);
        for (uint64_t change = letter ^ (letter << 1 | before); change; change &= change - 1) {
            int64_t place = block + __builtin_ctzll(change);
            if (begin < 0) {
                begin = place;
                continue;
            }
            uint64_t key = key_of(text, begin, place, limit);
            if (begin < head || size - begin <= tail) look_up(index, key, met);
            look_up(index, has_word ? (previous * MIX ^ key * MIX_B) | PAIR : key | FIRST, met);
            previous = key;
            has_word = 1;
            begin = -1;
        }
        before = letter >> (BLOCK - 1);
    }
    if (has_word) look_up(index, previous | LAST, met);
}

/* Patterns without words, and the signs that they ask for. */
struct wordless {
    const int64_t *pattern;
    const uint8_t *signs, *sign_of_byte;
    int64_t count, longest;
};

static void read_signs(const struct wordless *wordless, const uint8_t *text, int64_t size, uint64_t *found) {
    uint8_t signs = 0;
    for (int64_t i = 0; i < size; i++) signs |= wordless->sign_of_byte[text[i]];
    signs ^= NO_LETTERS;
    for (int64_t i = 0; i < wordless->count; i++) {
        int64_t pattern = wordless->pattern[i];
        if ((signs & wordless->signs[i]) == wordless->signs[i]) found[pattern / 64] |= UINT64_C(1) << pattern % 64;
    }
}

/* Write the patterns of a line in their order, and forget them; how many. */
static int64_t write_pairs(uint64_t *found, int64_t groups, int64_t line, int64_t *out_line, int64_t *out_pattern) {
    int64_t count = 0;
    for (int64_t group = 0; group < groups; group++) {
        for (; found[group]; found[group] &= found[group] - 1) {
            out_line[count] = line;
            out_pattern[count++] = 64 * group + __builtin_ctzll(found[group]);
        }
    }
    return count;
}

static int all_below(const int64_t *value, int64_t count, int64_t limit, const char *name) {
    for (int64_t i = 0; i < count; i++) {
        if (value[i] < 0 || value[i] >= limit) {
            PyErr_Format(PyExc_ValueError, "%s %zd is out of range", name, (Py_ssize_t)i);
            return 0;
        }
    }
    return 1;
}

/* find_candidates(buffer, start, end, chosen, head, tail, key, filter, bucket, asked_first, asked, needed, wordless,
 *                 signs, sign_of_byte, longest, from, bits, touched, found, line, pattern) -> (lines, pairs) */
PyObject *find_candidates(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer views[18];
    Py_ssize_t head, tail, longest, from;
    if (!PyArg_ParseTuple(arguments, "y*y*y*y*nny*y*y*y*y*y*y*y*y*nnw*w*w*w*w*", &views[0], &views[1], &views[2],
                          &views[3], &head, &tail, &views[4], &views[5], &views[6], &views[7], &views[8], &views[9],
                          &views[10], &views[11], &views[12], &longest, &from, &views[13], &views[14], &views[15],
                          &views[16], &views[17]))
        return NULL;
    const uint8_t *buffer = views[0].buf;
    const int64_t *start = views[1].buf, *end = views[2].buf, *chosen = views[3].buf;
    Py_ssize_t lines = views[1].len / 8, wanted = views[3].len / 8, keys = views[4].len / 8, asked = views[8].len / 8;
    Py_ssize_t patterns = views[9].len, wordless_count = views[11].len, room = views[16].len / 8;
    Py_ssize_t groups = (patterns + 63) / 64, buckets = (Py_ssize_t)1 << BUCKET_BITS;
    struct index index = {views[4].buf, views[5].buf, views[6].buf, views[7].buf, views[8].buf, views[9].buf, patterns};
    struct wordless wordless = {views[10].buf, views[11].buf, views[12].buf, wordless_count, longest};
    struct met met = {views[13].buf, views[14].buf, 0};
    uint64_t *found = views[15].buf;
    int64_t *out_line = views[16].buf, *out_pattern = views[17].buf;
    int good = holds(&views[1], lines, 8, "start") && holds(&views[2], lines, 8, "end") &&
               holds(&views[3], wanted, 8, "chosen") && holds(&views[4], keys, 8, "key") &&
               holds(&views[5], ((Py_ssize_t)1 << FILTER_BITS) / 64, 8, "filter") &&
               holds(&views[6], buckets + 1, 8, "bucket") && holds(&views[7], keys + 1, 8, "asked_first") &&
               holds(&views[8], asked, 8, "asked") && holds(&views[10], wordless_count, 8, "wordless") &&
               holds(&views[12], 256, 1, "sign_of_byte") && holds(&views[13], patterns, 1, "bits") &&
               holds(&views[14], patterns, 4, "touched") && holds(&views[15], groups, 8, "found") &&
               holds(&views[16], room, 8, "line") && holds(&views[17], room, 8, "pattern") &&
               ranges_within(start, end, lines, views[0].len) && all_below(chosen, wanted, lines, "line") &&
               divides(index.bucket, buckets, keys) && divides(index.asked_first, keys, asked) &&
               all_below(index.asked, asked, MOST_REQUIREMENTS * patterns, "requirement") &&
               all_below(wordless.pattern, wordless_count, patterns, "pattern");
    if (good && (from < 0 || room < patterns)) {
        PyErr_SetString(PyExc_ValueError, "there is no room for the patterns of a line");
        good = 0;
    }
    Py_ssize_t pairs = 0;
    if (good) {
        memset(met.bits, 0, (size_t)patterns);
        memset(found, 0, 8 * (size_t)groups);
    }
    for (; good && from < wanted && pairs + patterns <= room; from++) {
        int64_t line = chosen[from], size = end[line] - start[line];
        const uint8_t *text = buffer + start[line];
        read_line(&index, text, size, views[0].len - start[line], head, tail, &met);
        for (; met.count > 0; met.count--) {
            int32_t pattern = met.touched[met.count - 1];
            if (met.bits[pattern] == index.needed[pattern]) found[pattern / 64] |= UINT64_C(1) << pattern % 64;
            met.bits[pattern] = 0;
        }
        if (size <= longest) read_signs(&wordless, text, size, found);
        pairs += write_pairs(found, groups, line, out_line + pairs, out_pattern + pairs);
    }
    release(views, 18);
    return good ? Py_BuildValue("nn", from, pairs) : NULL;
}
