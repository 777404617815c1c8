/* The words of one line, as `words.c` finds them. */

#ifndef PIPELINE_WORDS_H
#define PIPELINE_WORDS_H

#include "kernels.h"

/* The most bytes of a line that are read, and the most words they can hold. */
enum { MOST_BYTES = 256, MOST_WORDS = (MOST_BYTES + 1) / 2 };

/* Bits of a word's flags, as in tokens.py. */
enum { CAPITAL = 1, UPPER = 2, DIGIT = 4, LONG_WORD = 8, FIRST = 16, SENTENCE = 32, FLAGS = 64 };

/* As the attributes of `tokens.LineWords`. */
typedef struct {
    uint64_t key[MOST_WORDS], pair[MOST_WORDS]; /* pair: of each word with the one before it */
    uint8_t flags[MOST_WORDS];
    int64_t count;
    uint64_t whole, marks;
} Words;

/* Find the words of a line of `size` bytes, of a long one those of its first `head` and last `tail` bytes. */
void find_words(const uint8_t *line, int64_t size, int64_t head, int64_t tail, const uint64_t *mark_unit, Words *out);

#endif
