/* Symmetric trees over the table of features, many lines at once: see `pipeline.strip.model.LineModel`. */

#include "kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define WIDE 32
#endif

/* Six questions lead to one of 64 leaves. A block of lines stays in the cache while all trees look at it; so many trees
 * of the most a leaf can say fit into 16 bits. */
enum { DEPTH = 6, LEAVES = 1 << DEPTH, RUN = 256, MOST_TREES = 256 };

typedef struct {
    const uint8_t *around; /* [features, lines] */
    const uint16_t *feature; /* [trees, DEPTH] */
    const uint8_t *border;
    Py_ssize_t lines;
} Trees;

/* The row of the table that a level asks about. */
static const uint8_t *row_of(const Trees *trees, Py_ssize_t tree, int level) {
    return trees->around + trees->feature[tree * DEPTH + level] * trees->lines;
}

/* The leaf each line of a block falls into: a bit for each level's answer, the first one lowest. */
static void find_leaves(const Trees *trees, Py_ssize_t tree, Py_ssize_t line, Py_ssize_t count, uint8_t *leaf) {
    memset(leaf, 0, count);
    for (int level = 0; level < DEPTH; level++) {
        const uint8_t *row = row_of(trees, tree, level) + line, border = trees->border[tree * DEPTH + level];
        for (Py_ssize_t i = 0; i < count; i++) leaf[i] |= (uint8_t)((row[i] > border) << level);
    }
}

#ifdef WIDE
/* Add what a tree says of a block, 32 lines at a time; returns how many lines it did. The last two levels choose one of
 * four tables of 16 leaves, which a shuffle looks up. */
__attribute__((target("avx2"))) static Py_ssize_t add_wide(const Trees *trees, Py_ssize_t tree, Py_ssize_t line,
                                                           Py_ssize_t count, const int8_t *value, int16_t *sum) {
    __m256i border[DEPTH], table[4];
    const uint8_t *row[DEPTH];
    for (int level = 0; level < DEPTH; level++) {
        border[level] = _mm256_set1_epi8((char)trees->border[tree * DEPTH + level]);
        row[level] = row_of(trees, tree, level) + line;
    }
    for (int k = 0; k < 4; k++)
        table[k] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(value + 16 * k)));
    Py_ssize_t i = 0;
    for (; i + WIDE <= count; i += WIDE) {
        __m256i below[DEPTH], place = _mm256_setzero_si256();
        for (int level = 0; level < DEPTH; level++) {
            __m256i values = _mm256_loadu_si256((const __m256i *)(row[level] + i));
            below[level] = _mm256_cmpeq_epi8(_mm256_min_epu8(values, border[level]), values);
        }
        for (int level = 0; level < 4; level++)
            place = _mm256_or_si256(place, _mm256_andnot_si256(below[level], _mm256_set1_epi8((char)(1 << level))));
        __m256i value_of[4];
        for (int k = 0; k < 4; k++) value_of[k] = _mm256_shuffle_epi8(table[k], place);
        __m256i low = _mm256_blendv_epi8(value_of[1], value_of[0], below[4]);
        __m256i high = _mm256_blendv_epi8(value_of[3], value_of[2], below[4]);
        __m256i found = _mm256_blendv_epi8(high, low, below[5]), *out = (__m256i *)(sum + i);
        __m256i first = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(found));
        __m256i second = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(found, 1));
        _mm256_storeu_si256(out, _mm256_add_epi16(_mm256_loadu_si256(out), first));
        _mm256_storeu_si256(out + 1, _mm256_add_epi16(_mm256_loadu_si256(out + 1), second));
    }
    return i;
}
#endif

/* Add what a tree says of a block to the sums of its lines. */
static void add_tree(const Trees *trees, Py_ssize_t tree, Py_ssize_t line, Py_ssize_t count, const int8_t *value,
                     int16_t *sum) {
    Py_ssize_t done = 0;
#ifdef WIDE
    if (__builtin_cpu_supports("avx2")) done = add_wide(trees, tree, line, count, value, sum);
#endif
    uint8_t leaf[RUN];
    find_leaves(trees, tree, line + done, count - done, leaf);
    for (Py_ssize_t i = done; i < count; i++) sum[i] = (int16_t)(sum[i] + value[leaf[i - done]]);
}

static int features_within(const uint16_t *feature, Py_ssize_t count, Py_ssize_t features) {
    for (Py_ssize_t i = 0; i < count; i++) {
        if (feature[i] < features) continue;
        PyErr_SetString(PyExc_ValueError, "a tree asks about a feature that is not there");
        return 0;
    }
    return 1;
}

/* sum_trees(around, feature, border, leaf, sum); sum: int32[lines], what the leaves of all trees say is added to it. */
PyObject *sum_trees(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer views[5];
    if (!PyArg_ParseTuple(arguments, "y*y*y*y*w*", &views[0], &views[1], &views[2], &views[3], &views[4])) return NULL;
    const int8_t *leaf = views[3].buf;
    int32_t *sum = views[4].buf;
    Py_ssize_t lines = views[4].len / 4, count = views[2].len / DEPTH, features = lines ? views[0].len / lines : 0;
    Trees trees = {views[0].buf, views[1].buf, views[2].buf, lines};
    int good = holds(&views[0], features * lines, 1, "around") && holds(&views[1], count * DEPTH, 2, "feature") &&
               holds(&views[2], count * DEPTH, 1, "border") && holds(&views[3], count * LEAVES, 1, "leaf") &&
               holds(&views[4], lines, 4, "sum") &&
               (!lines || features_within(trees.feature, count * DEPTH, features));
    for (Py_ssize_t line = 0; good && line < lines; line += RUN) {
        Py_ssize_t size = lines - line < RUN ? lines - line : RUN;
        for (Py_ssize_t from = 0; from < count; from += MOST_TREES) {
            int16_t part[RUN] = {0};
            for (Py_ssize_t tree = from; tree < count && tree < from + MOST_TREES; tree++)
                add_tree(&trees, tree, line, size, leaf + tree * LEAVES, part);
            for (Py_ssize_t i = 0; i < size; i++) sum[line + i] += part[i];
        }
    }
    release(views, 5);
    if (!good) return NULL;
    Py_RETURN_NONE;
}

/* Labels of a line, in five groups of four lanes, as `read_lines` has its heads in two. */
enum { GROUPS = 5, LABELS = GROUPS * LANES, SOME = 64 };

typedef struct {
    const int64_t *chosen, *begin, *stop;
    const uint16_t *word, *pair, *line;
    const uint64_t *weights; /* [rows, GROUPS] */
    const float *scale;
    const int32_t *word_bias, *tree_bias;
    const int16_t *leaf; /* [trees, LEAVES, LABELS] */
    float tree_unit, word_unit;
    Py_ssize_t rows;
} Labels;

/* What the trees say for each label of some lines. */
static void sum_label_trees(const Trees *trees, const Labels *labels, Py_ssize_t count, Py_ssize_t from,
                            Py_ssize_t size, int16_t sum[SOME][LABELS]) {
    memset(sum, 0, SOME * sizeof *sum);
    for (Py_ssize_t tree = 0; tree < count; tree++) {
        uint8_t leaf[SOME] = {0};
        for (int level = 0; level < DEPTH; level++) {
            const uint8_t *row = row_of(trees, tree, level), border = trees->border[tree * DEPTH + level];
            for (Py_ssize_t i = 0; i < size; i++)
                leaf[i] |= (uint8_t)((row[labels->chosen[from + i]] > border) << level);
        }
        for (Py_ssize_t i = 0; i < size; i++) {
            const int16_t *value = labels->leaf + (tree * LEAVES + leaf[i]) * LABELS;
            for (int label = 0; label < LABELS; label++) sum[i][label] = (int16_t)(sum[i][label] + value[label]);
        }
    }
}

static void add_weights(const uint64_t *weights, uint64_t sums[GROUPS]) {
    for (int group = 0; group < GROUPS; group++) sums[group] += weights[group];
}

/* The sum of the weights of a line's words; returns how many they are, -1 where a word has no weights. */
static int64_t sum_words(const Labels *labels, int64_t line, uint64_t sums[GROUPS]) {
    int64_t tokens = labels->stop[line] - labels->begin[line] + (labels->line[line] > 0);
    uint16_t largest = labels->line[line];
    for (int64_t word = labels->begin[line]; word < labels->stop[line]; word++) {
        largest = labels->word[word] > largest ? labels->word[word] : largest;
        largest = labels->pair[word] > largest ? labels->pair[word] : largest;
        tokens += labels->pair[word] > 0;
    }
    if (largest >= labels->rows) return -1;
    for (int64_t word = labels->begin[line]; word < labels->stop[line]; word++) {
        add_weights(labels->weights + labels->word[word] * GROUPS, sums);
        add_weights(labels->weights + labels->pair[word] * GROUPS, sums);
    }
    add_weights(labels->weights + labels->line[line] * GROUPS, sums);
    return tokens;
}

/* The likeliest label of a line, by what its words and its trees say, of equal ones the first; 0 as `sum_words` -1. */
static uint8_t best_label(const Labels *labels, int64_t line, const int16_t by_trees[LABELS]) {
    uint64_t sums[GROUPS] = {0};
    int64_t tokens = sum_words(labels, line, sums), taken = tokens * BIAS;
    if (tokens < 0) return 0;
    float scale = labels->scale[tokens < 1 ? 1 : tokens < MOST_TOKENS ? tokens : MOST_TOKENS - 1];
    double best = 0;
    int found = 0;
    for (int label = 0; label < LABELS; label++) {
        float sum = (float)((int64_t)(sums[label / LANES] >> LANE_BITS * (label % LANES) & 0xFFFF) - taken);
        float trees = (float)(labels->tree_bias[label] + by_trees[label]) * labels->tree_unit;
        double words = (double)(sum * scale) + (double)labels->word_bias[label];
        double value = (double)trees + words * (double)labels->word_unit;
        if (label > 0 && value <= best) continue;
        best = value;
        found = label;
    }
    return (uint8_t)(found + 1);
}

static int choose(const Trees *trees, Py_ssize_t count, const Labels *labels, Py_ssize_t chosen, uint8_t *out) {
    for (Py_ssize_t from = 0; from < chosen; from += SOME) {
        int16_t by_trees[SOME][LABELS];
        Py_ssize_t size = chosen - from < SOME ? chosen - from : SOME;
        sum_label_trees(trees, labels, count, from, size, by_trees);
        for (Py_ssize_t i = 0; i < size; i++) {
            out[from + i] = best_label(labels, labels->chosen[from + i], by_trees[i]);
            if (out[from + i]) continue;
            PyErr_SetString(PyExc_ValueError, "a word has a row that the weights do not have");
            return 0;
        }
    }
    return 1;
}

static int chosen_within(const int64_t *chosen, Py_ssize_t count, Py_ssize_t lines) {
    for (Py_ssize_t i = 0; i < count; i++) {
        if (chosen[i] >= 0 && chosen[i] < lines) continue;
        PyErr_SetString(PyExc_ValueError, "a line was chosen that is not there");
        return 0;
    }
    return 1;
}

/* label_lines(around, feature, border, leaf, tree_bias, tree_unit, weights, scale, word_bias, word_unit, begin, stop,
 *             word, pair, line, chosen, label)
 * leaf: int16[trees, leaves, labels]; the rest as the names in `LineModel`. */
PyObject *label_lines(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer views[15];
    Labels labels;
    if (!PyArg_ParseTuple(arguments, "y*y*y*y*y*fy*y*y*fy*y*y*y*y*y*w*", &views[0], &views[1], &views[2], &views[3],
                          &views[4], &labels.tree_unit, &views[5], &views[6], &views[7], &labels.word_unit, &views[8],
                          &views[9], &views[10], &views[11], &views[12], &views[13], &views[14]))
        return NULL;
    labels.leaf = views[3].buf;
    labels.tree_bias = views[4].buf;
    labels.weights = views[5].buf;
    labels.scale = views[6].buf;
    labels.word_bias = views[7].buf;
    labels.begin = views[8].buf;
    labels.stop = views[9].buf;
    labels.word = views[10].buf;
    labels.pair = views[11].buf;
    labels.line = views[12].buf;
    labels.chosen = views[13].buf;
    labels.rows = views[5].len / 8 / GROUPS;
    Py_ssize_t lines = views[8].len / 8, words = views[10].len / 2, chosen = views[14].len;
    Py_ssize_t count = views[2].len / DEPTH, features = lines ? views[0].len / lines : 0;
    Trees trees = {views[0].buf, views[1].buf, views[2].buf, lines};
    int good = holds(&views[0], features * lines, 1, "around") && holds(&views[1], count * DEPTH, 2, "feature") &&
               holds(&views[2], count * DEPTH, 1, "border") && holds(&views[3], count * LEAVES * LABELS, 2, "leaf") &&
               holds(&views[4], LABELS, 4, "tree_bias") && holds(&views[5], labels.rows * GROUPS, 8, "weights") &&
               holds(&views[6], MOST_TOKENS, 4, "scale") && holds(&views[7], LABELS, 4, "word_bias") &&
               holds(&views[8], lines, 8, "begin") && holds(&views[9], lines, 8, "stop") &&
               holds(&views[10], words, 2, "word") && holds(&views[11], words, 2, "pair") &&
               holds(&views[12], lines, 2, "line") && holds(&views[13], chosen, 8, "chosen");
    if (good && count > MOST_TREES) {
        PyErr_SetString(PyExc_ValueError, "there are too many trees");
        good = 0;
    }
    good = good && (!lines || features_within(trees.feature, count * DEPTH, features)) &&
           ranges_within(labels.begin, labels.stop, lines, words) && chosen_within(labels.chosen, chosen, lines) &&
           choose(&trees, count, &labels, chosen, views[14].buf);
    release(views, 15);
    if (!good) return NULL;
    Py_RETURN_NONE;
}
