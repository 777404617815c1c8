/* Read lines: what their words are like, which rows of weights they have, and what those speak for, line after line.
 * See `pipeline.strip.model.LineModel.read`. */

#include "words.h"

#include <math.h>

/* Even odds; shapes of unknown words; and the bits of a key that choose its bucket: 32 buckets share an entry. */
enum { HEADS = 8, EVEN = 128, SHAPES = 16, BUCKET_SHIFT = 64 - 18, SHARED_BITS = 5, ENTRIES = 1 << (18 - SHARED_BITS) };

/* A row's weights are eight bytes of up to 127. Two rows can be added as they are; many in lanes of 16 bits. */
#define EVEN_BYTES UINT64_C(0x00FF00FF00FF00FF)

typedef struct {
    uint64_t even, odd; /* of heads 0, 2, 4, 6 and 1, 3, 5, 7 */
} Sums;

typedef struct {
    const uint8_t *buffer;
    const int64_t *start, *end;
    int64_t head, tail;
    const uint64_t *mark_unit, *flag_unit, *index, *weights; /* index: [words, pairs, lines][ENTRIES] */
    const float *scale;
    const int32_t *bias;
    int64_t *first, *told;
    uint64_t *whole, *marks, *kinds, *telling;
    uint16_t *word, *pair, *line;
    uint8_t *heads; /* [HEADS, lines] */
    Py_ssize_t lines, room;
} Batch;

/* The row of a bucket: the low half of an entry says which of 32 buckets are known, the high half which row the first
 * of them has. 0 where the bucket is unknown. */
static inline uint16_t row_of(const uint64_t *index, uint64_t key) {
    uint64_t entry = index[key >> (BUCKET_SHIFT + SHARED_BITS)];
    uint32_t known = (uint32_t)entry, bit = key >> BUCKET_SHIFT & 31;
    uint32_t row = (uint32_t)(entry >> 32) + (uint32_t)__builtin_popcount(known & ((UINT32_C(1) << bit) - 1));
    return (uint16_t)(row & -(known >> bit & 1));
}

static inline void add_rows(const uint64_t *weights, uint16_t one, uint16_t other, Sums *sums) {
    uint64_t both = weights[one] + weights[other];
    __asm__("" : "+r"(both)); /* row by row: the compiler would gather them into vectors, and that takes longer */
    sums->even += both & EVEN_BYTES;
    sums->odd += both >> 8 & EVEN_BYTES;
}

/* A line's sums as heads: scaled, shifted, and cut to a byte. Whole numbers throughout but for one float product. */
static inline void write_heads(const Batch *batch, Sums sums, int64_t taken, float scale, uint8_t *out) {
    for (int head = 0; head < HEADS; head++) {
        uint64_t lanes = head % 2 ? sums.odd : sums.even;
        int64_t sum = (int64_t)(lanes >> LANE_BITS * (head / 2) & 0xFFFF) - taken;
        float value = floorf((float)sum * scale);
        int64_t shifted = (int64_t)value + batch->bias[head] + EVEN;
        out[head * batch->lines] = (uint8_t)(shifted < 0 ? 0 : shifted > 255 ? 255 : shifted);
    }
}

static inline void fetch(const uint64_t *index, uint64_t key) {
    __builtin_prefetch(index + (key >> (BUCKET_SHIFT + SHARED_BITS)));
}

/* Find the words of a line, and have their entries of the index fetched from memory for `find_rows`. */
static inline void look_ahead(const Batch *batch, Py_ssize_t line, Words *words) {
    int64_t start = batch->start[line];
    find_words(batch->buffer + start, batch->end[line] - start, batch->head, batch->tail, batch->mark_unit, words);
    uint64_t previous = MIX_B;
    for (int64_t i = 0; i < words->count; i++) {
        words->pair[i] = (previous * MIX_C ^ words->key[i] * MIX_B) * MIX;
        fetch(batch->index, words->key[i]);
        fetch(batch->index + ENTRIES, words->pair[i]);
        previous = words->key[i];
    }
    fetch(batch->index + 2 * ENTRIES, words->whole);
}

/* Look up the rows of a line's words and pairs; how many of the pairs are known. */
static inline int64_t find_rows(const uint64_t *index, const Words *words, uint16_t *word, uint16_t *pair) {
    int64_t pairs = 0;
    for (int64_t i = 0; i < words->count; i++) {
        uint16_t row = row_of(index, words->key[i]), shape = (uint16_t)(1 + (words->flags[i] & (SHAPES - 1)));
        word[i] = (uint16_t)(row | (shape & -(row == 0))); /* a branch would be guessed wrong too often */
        pair[i] = row_of(index + ENTRIES, words->pair[i]);
        pairs += pair[i] > 0;
    }
    return pairs;
}

/* What a line's words speak for. The loop is short, so that the processor waits for many weights at once. */
static inline void weigh(const Batch *batch, Py_ssize_t line, const Words *words, uint16_t *word, uint16_t *pair) {
    uint16_t row = row_of(batch->index + 2 * ENTRIES, words->whole);
    int64_t bare = words->count + (row > 0), tokens = bare + find_rows(batch->index, words, word, pair);
    Sums sums = {0, 0};
    add_rows(batch->weights, row, 0, &sums);
    for (int64_t i = 0; i < words->count; i++) add_rows(batch->weights, word[i], pair[i], &sums);
    float scale = batch->scale[tokens < 1 ? 1 : tokens < MOST_TOKENS ? tokens : MOST_TOKENS - 1];
    write_heads(batch, sums, bare > 0 ? tokens * BIAS : 0, scale, batch->heads + line);
    batch->line[line] = row;
}

/* Collect a line's names and long words, see `Traits.telling`; how many there are. */
static inline int64_t tell(const Words *words, uint64_t *telling) {
    int64_t told = 0;
    for (int64_t i = 0; i < words->count; i++) {
        unsigned flags = words->flags[i];
        unsigned name = (flags & (CAPITAL | FIRST | SENTENCE | DIGIT)) == CAPITAL;
        unsigned topic = (flags & (CAPITAL | LONG_WORD | DIGIT)) == LONG_WORD;
        telling[told] = words->key[i] * MIX >> 32 | (uint64_t)name << 32;
        told += name | topic;
    }
    return told;
}

/* Write down what a line's words are like; where those of the next line begin comes with it. */
COUNTING static void write_line(const Batch *batch, Py_ssize_t line, const Words *words) {
    int64_t first = batch->first[line], told = batch->told[line];
    uint64_t kinds = 0;
    for (int64_t i = 0; i < words->count; i++) kinds += batch->flag_unit[words->flags[i]];
    batch->whole[line] = words->whole;
    batch->marks[line] = words->marks;
    batch->kinds[line] = kinds;
    weigh(batch, line, words, batch->word + first, batch->pair + first);
    batch->first[line + 1] = first + words->count;
    batch->told[line + 1] = told + tell(words, batch->telling + told);
}

/* Read line by line, the words of one while the index's entries for the one before are on their way; returns whether
 * there was room for all words. */
static int read_all(const Batch *batch) {
    Words words[2];
    batch->first[0] = batch->told[0] = 0;
    for (Py_ssize_t line = 0; line <= batch->lines; line++) {
        if (line < batch->lines) look_ahead(batch, line, words + line % 2);
        if (line == 0) continue;
        const Words *before = words + (line - 1) % 2;
        if (batch->first[line - 1] + before->count > batch->room) return 0;
        write_line(batch, line - 1, before);
    }
    return 1;
}

static int rows_within(const uint64_t *index, Py_ssize_t rows) {
    uint64_t most = 0; /* the row after the last */
    for (Py_ssize_t i = 0; i < 3 * ENTRIES; i++) {
        uint64_t next = (index[i] >> 32) + (uint64_t)__builtin_popcount((uint32_t)index[i]);
        most = next > most ? next : most;
    }
    if (rows > SHAPES && most <= (uint64_t)rows && most <= UINT16_MAX + 1) return 1;
    PyErr_SetString(PyExc_ValueError, "the index names rows that the weights do not have");
    return 0;
}

/* read_lines(buffer, start, end, head, tail, mark_unit, flag_unit, index, weights, scale, bias,
 *            first, told, whole, marks, kinds, telling, word, pair, line, heads) */
PyObject *read_lines(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer views[19];
    Py_ssize_t head, tail;
    if (!PyArg_ParseTuple(arguments, "y*y*y*nny*y*y*y*y*y*w*w*w*w*w*w*w*w*w*w*", &views[0], &views[1], &views[2], &head,
                          &tail, &views[3], &views[4], &views[5], &views[6], &views[7], &views[8], &views[9],
                          &views[10], &views[11], &views[12], &views[13], &views[14], &views[15], &views[16],
                          &views[17], &views[18]))
        return NULL;
    Batch batch = {
        .buffer = views[0].buf, .start = views[1].buf, .end = views[2].buf, .head = head, .tail = tail,
        .mark_unit = views[3].buf, .flag_unit = views[4].buf, .index = views[5].buf, .weights = views[6].buf,
        .scale = views[7].buf, .bias = views[8].buf, .first = views[9].buf, .told = views[10].buf,
        .whole = views[11].buf, .marks = views[12].buf, .kinds = views[13].buf, .telling = views[14].buf,
        .word = views[15].buf, .pair = views[16].buf, .line = views[17].buf, .heads = views[18].buf,
        .lines = views[1].len / 8, .room = views[15].len / 2 - 1,
    };
    Py_ssize_t lines = batch.lines, rows = views[6].len / 8;
    int good = holds(&views[1], lines, 8, "start") && holds(&views[2], lines, 8, "end") &&
               holds(&views[3], 256, 8, "mark_unit") && holds(&views[4], FLAGS, 8, "flag_unit") &&
               holds(&views[5], 3 * ENTRIES, 8, "index") && holds(&views[6], rows, 8, "weights") &&
               holds(&views[7], MOST_TOKENS, 4, "scale") && holds(&views[8], HEADS, 4, "bias") &&
               holds(&views[9], lines + 1, 8, "first") && holds(&views[10], lines + 1, 8, "told") &&
               holds(&views[11], lines, 8, "whole") && holds(&views[12], lines, 8, "marks") &&
               holds(&views[13], lines, 8, "kinds") && holds(&views[14], batch.room + 1, 8, "telling") &&
               holds(&views[15], batch.room + 1, 2, "word") && holds(&views[16], batch.room + 1, 2, "pair") &&
               holds(&views[17], lines, 2, "line") && holds(&views[18], HEADS * lines, 1, "heads") &&
               ranges_within(batch.start, batch.end, lines, views[0].len) && rows_within(batch.index, rows);
    if (good && (head < 1 || tail < 0 || head > MOST_BYTES || tail > MOST_BYTES - head)) {
        PyErr_SetString(PyExc_ValueError, "head and tail do not fit");
        good = 0;
    }
    if (good && !(good = read_all(&batch))) PyErr_SetString(PyExc_ValueError, "there is no room for the words");
    release(views, 19);
    if (!good) return NULL;
    Py_RETURN_NONE;
}
