/* The words of lines, their rows of weights, and what those weights say: the text's one trip through the line model. */

#include "kernels.h"

#include <math.h>

#define MIX UINT64_C(0x9E3779B97F4A7C15)
#define MIX_B UINT64_C(0xC2B2AE3D27D4EB4F)
#define MIX_C UINT64_C(0x165667B19E3779F9)
#define LOWER UINT64_C(0x2020202020202020)

/* Bits of a word's flags, as in tokens.py. */
enum { CAPITAL = 1, UPPER = 2, DIGIT = 4, LONG_WORD = 8, FIRST = 16, SENTENCE = 32 };

/* The most bytes of a line that are read; and room for a word's eight bytes to be read past them. */
enum { MOST_BYTES = 256, ROOM = 16 };

static int is_upper(uint8_t byte) { return (uint8_t)(byte - 'A') < 26; }
static int is_digit(uint8_t byte) { return (uint8_t)(byte - '0') < 10; }

/* The content of a line that is read: all of a short one, both ends of a long one with a blank before the second.
 * Quotes, dashes and signs beyond ASCII become blanks. Zeros follow, to the end of the block and beyond. */
static int64_t line_ends(const uint8_t *text, int64_t size, int64_t head, int64_t tail, uint8_t *out) {
    if (size <= head + tail) {
        memcpy(out, text, size);
    } else {
        memcpy(out, text, head - 1);
        out[head - 1] = ' ';
        memcpy(out + head, text + size - tail, tail);
        size = head + tail;
    }
    memset(out + size, 0, BLOCK + ROOM);
    unsigned leads = 0;
    for (int64_t i = 0; i < size; i++) leads |= (out[i] == 0xE2) | (out[i] == 0xC2);
    for (int64_t i = leads ? size - 1 : -1; i >= 0; i--) { /* backwards: none is blanked before it is seen */
        if (out[i] != 0xE2 && out[i] != 0xC2) continue;
        int64_t stop = i + (out[i] == 0xE2 ? 3 : 2);
        for (int64_t k = i; k < stop && k < size; k++) out[k] = ' ';
    }
    return size;
}

/* Which bytes of a block are parts of words, and which are marks of ASCII. */
static void classify(const uint8_t *text, uint64_t *words, uint64_t *marks) {
    uint8_t word[BLOCK], mark[BLOCK];
    for (int i = 0; i < BLOCK; i++) {
        uint8_t byte = text[i];
        uint8_t letter = (uint8_t)((byte | 0x20) - 'a') < 26, digit = (uint8_t)(byte - '0') < 10;
        word[i] = (uint8_t)(letter | digit | (byte >= 0x80));
        mark[i] = (uint8_t)((byte > ' ') & (byte < 0x7F) & !(letter | digit));
    }
    *words = gather_bits(word);
    *marks = gather_bits(mark);
}

static uint64_t word_key(const uint8_t *word, int64_t size) {
    uint64_t key;
    if (is_digit(word[0])) {
        key = (uint64_t)((size < 5 ? size : 5) + 1) * MIX_C;
    } else {
        key = ((eight_bytes(word) | LOWER) & low_bytes(size)) * MIX;
        if (size > 8) key ^= ((eight_bytes(word + 8) | LOWER) & low_bytes(size - 8)) * MIX_B;
    }
    return key ^ key >> 29;
}

static uint8_t word_flags(const uint8_t *word, int64_t size) {
    int capital = is_upper(word[0]);
    return (uint8_t)((capital ? CAPITAL : 0) | (capital && size > 1 && is_upper(word[1]) ? UPPER : 0) |
                     (is_digit(word[0]) ? DIGIT : 0) | (size >= 8 ? LONG_WORD : 0));
}

static int ends_sentence(uint8_t byte) { return byte == '.' || byte == '!' || byte == '?'; }

/* The words of one line and the sum of its marks; returns how many words were written. */
static int64_t words_of(const uint8_t *text, int64_t size, const uint64_t *mark_unit, uint64_t *key, uint8_t *flags,
                        uint64_t *marks) {
    uint16_t edge[MOST_BYTES + 2]; /* where words begin and stop, in turn */
    int64_t edges = 0;
    uint64_t sum = 0, before = 0;
    for (int64_t block = 0; block <= size; block += BLOCK) { /* a word that ends with the line stops in the zeros */
        uint64_t word, mark;
        classify(text + block, &word, &mark);
        for (; mark; mark &= mark - 1) sum += mark_unit[text[block + __builtin_ctzll(mark)]];
        for (uint64_t change = word ^ (word << 1 | before); change; change &= change - 1)
            edge[edges++] = (uint16_t)(block + __builtin_ctzll(change));
        before = word >> (BLOCK - 1);
    }
    *marks = sum;
    for (int64_t i = 0; i < edges; i += 2) {
        const uint8_t *word = text + edge[i];
        int64_t length = edge[i + 1] - edge[i] < 16 ? edge[i + 1] - edge[i] : 16;
        uint8_t flag = word_flags(word, length);
        /* The word before takes one byte, what parts them another: two bytes back there is always one of the line. */
        flag |= i == 0 ? FIRST : ends_sentence(word[-2]) ? SENTENCE : 0;
        *key++ = word_key(word, length);
        *flags++ = flag;
    }
    return edges / 2;
}

/* read_words(buffer, start, end, head, tail, mark_unit, first, key, flags, marks) -> words */
PyObject *read_words(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer views[8];
    Py_ssize_t head, tail;
    if (!PyArg_ParseTuple(arguments, "y*y*y*nny*w*w*w*w*", &views[0], &views[1], &views[2], &head, &tail, &views[3],
                          &views[4], &views[5], &views[6], &views[7]))
        return NULL;
    const uint8_t *buffer = views[0].buf;
    const int64_t *start = views[1].buf, *end = views[2].buf;
    const uint64_t *mark_unit = views[3].buf;
    int64_t *first = views[4].buf;
    uint64_t *key = views[5].buf, *marks = views[7].buf;
    uint8_t *flags = views[6].buf;
    Py_ssize_t lines = views[1].len / 8, most = views[6].len;
    int64_t words = -1;
    if (!holds(&views[1], lines, 8, "start") || !holds(&views[2], lines, 8, "end") ||
        !holds(&views[3], 256, 8, "mark_unit") || !holds(&views[4], lines + 1, 8, "first") ||
        !holds(&views[5], most, 8, "key") || !holds(&views[7], lines, 8, "marks") ||
        !ranges_within(start, end, lines, views[0].len))
        goto done;
    if (head < 1 || tail < 0 || head > MOST_BYTES || tail > MOST_BYTES - head) {
        PyErr_SetString(PyExc_ValueError, "head and tail do not fit");
        goto done;
    }
    uint8_t text[MOST_BYTES + BLOCK + ROOM];
    words = 0;
    for (Py_ssize_t line = 0; line < lines; line++) {
        int64_t size = line_ends(buffer + start[line], end[line] - start[line], head, tail, text);
        if (words + (size + 1) / 2 > most) {
            PyErr_SetString(PyExc_ValueError, "there is no room for the words");
            words = -1;
            goto done;
        }
        first[line] = words;
        words += words_of(text, size, mark_unit, key + words, flags + words, marks + line);
    }
    first[lines] = words;
done:
    release(views, 8);
    return words < 0 ? NULL : PyLong_FromLongLong(words);
}

/* Sums of weights are kept in lanes of 16 bits, four to a number; each weight has this added. */
enum { LANES = 4, LANE_BITS = 16, BIAS = 64, EVEN = 128, MOST_TOKENS = 320, SHAPES = 16, BUCKET_SHIFT = 64 - 18 };

/* A line's sums as heads: scaled, shifted, and cut to a byte. Whole numbers throughout but for one float product. */
static void write_heads(const uint64_t *sums, int64_t taken, float scale, const int32_t *bias, Py_ssize_t heads,
                        Py_ssize_t lines, uint8_t *out) {
    for (Py_ssize_t head = 0; head < heads; head++) {
        int64_t sum = (int64_t)(sums[head / LANES] >> LANE_BITS * (head % LANES) & 0xFFFF) - taken;
        float value = floorf((float)sum * scale);
        int64_t shifted = (int64_t)value + bias[head] + EVEN;
        out[head * lines] = (uint8_t)(shifted < 0 ? 0 : shifted > 255 ? 255 : shifted);
    }
}

static int rows_within(const uint16_t *table, Py_ssize_t count, Py_ssize_t rows) {
    uint16_t largest = 0;
    for (Py_ssize_t i = 0; i < count; i++) largest = table[i] > largest ? table[i] : largest;
    if (largest < rows && rows > SHAPES) return 1;
    PyErr_SetString(PyExc_ValueError, "the table names rows that the weights do not have");
    return 0;
}

/* weigh_words(first, key, flags, table, weights, scale, bias, word, pair, line, heads)
 * weights: uint64[groups of four heads, rows]; the rest as the names in `LineModel`. */
PyObject *weigh_words(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer views[11];
    if (!PyArg_ParseTuple(arguments, "y*y*y*y*y*y*y*w*w*w*w*", &views[0], &views[1], &views[2], &views[3], &views[4],
                          &views[5], &views[6], &views[7], &views[8], &views[9], &views[10]))
        return NULL;
    const int64_t *first = views[0].buf;
    const uint64_t *key = views[1].buf, *weights = views[4].buf;
    const uint8_t *flags = views[2].buf;
    const uint16_t *table = views[3].buf;
    const float *scale = views[5].buf;
    const int32_t *bias = views[6].buf;
    uint16_t *word_row = views[7].buf, *pair_row = views[8].buf, *line_row = views[9].buf;
    uint8_t *out = views[10].buf;
    Py_ssize_t lines = views[0].len / 8 - 1, words = views[2].len, heads = views[6].len / 4;
    Py_ssize_t groups = (heads + LANES - 1) / LANES, buckets = (Py_ssize_t)1 << (64 - BUCKET_SHIFT);
    Py_ssize_t rows = groups ? views[4].len / 8 / groups : 0;
    int good = lines >= 0 && holds(&views[0], lines + 1, 8, "first") && holds(&views[1], words, 8, "key") &&
               holds(&views[3], 3 * buckets, 2, "table") && holds(&views[4], groups * rows, 8, "weights") &&
               holds(&views[5], MOST_TOKENS, 4, "scale") && holds(&views[6], heads, 4, "bias") &&
               holds(&views[7], words, 2, "word") && holds(&views[8], words, 2, "pair") &&
               holds(&views[9], lines, 2, "line") && holds(&views[10], heads * lines, 1, "heads") &&
               ascends_within(first, lines + 1, words) && rows_within(table, 3 * buckets, rows);
    if (good && groups != 2) {
        PyErr_SetString(PyExc_ValueError, "there are eight heads");
        good = 0;
    }
    for (Py_ssize_t line = 0; good && line < lines; line++) {
        uint64_t sums[2] = {0, 0}, previous = MIX_B, whole = 0;
        int64_t count = first[line + 1] - first[line], pairs = 0;
        for (int64_t place = first[line]; place < first[line + 1]; place++) {
            uint64_t own = key[place];
            uint16_t row = table[own >> BUCKET_SHIFT];
            if (row == 0) row = (uint16_t)(1 + (flags[place] & (SHAPES - 1)));
            uint64_t both = (previous * MIX_C ^ own * MIX_B) * MIX;
            uint16_t pair = table[buckets + (Py_ssize_t)(both >> BUCKET_SHIFT)];
            pairs += pair > 0;
            sums[0] += weights[row] + weights[pair];
            sums[1] += weights[rows + row] + weights[rows + pair];
            whole += own * (uint64_t)(2 * (place - first[line]) + 1);
            word_row[place] = row;
            pair_row[place] = pair;
            previous = own;
        }
        whole = (whole + (uint64_t)count) * MIX;
        whole ^= whole >> 29;
        uint16_t row = table[2 * buckets + (Py_ssize_t)(whole >> BUCKET_SHIFT)];
        line_row[line] = row;
        sums[0] += weights[row];
        sums[1] += weights[rows + row];
        int64_t tokens = count + pairs + (row > 0);
        int64_t taken = tokens - pairs > 0 ? tokens * BIAS : 0;
        if (tokens < 1) tokens = 1;
        write_heads(sums, taken, scale[tokens < MOST_TOKENS ? tokens : MOST_TOKENS - 1], bias, heads, lines, out + line);
    }
    release(views, 11);
    if (!good) return NULL;
    Py_RETURN_NONE;
}
