/* The words of lines: the text's one trip through the line model, see `pipeline.strip.model.tokens`. */

#include "words.h"

/* A line is read in blocks of 64; there is room for a word's bytes to be read past it, and for the byte two before it. */
enum { ROOM = 16 };

static unsigned is_upper(uint8_t byte) { return (uint8_t)(byte - 'A') < 26; }
static unsigned is_digit(uint8_t byte) { return (uint8_t)(byte - '0') < 10; }

/* Make quotes, dashes and signs beyond ASCII blanks; backwards, so that none is blanked before it is seen. */
static void blank_signs(uint8_t *out, int64_t size) {
    for (int64_t block = (size - 1) / BLOCK * BLOCK; block >= 0; block -= BLOCK) {
        uint8_t lead[BLOCK];
        for (int i = 0; i < BLOCK; i++) lead[i] = (out[block + i] == 0xE2) | (out[block + i] == 0xC2);
        for (uint64_t leads = gather_bits(lead); leads;) {
            int last = BLOCK - 1 - __builtin_clzll(leads);
            leads ^= UINT64_C(1) << last;
            uint8_t *sign = out + block + last;
            memset(sign, ' ', sign[0] == 0xE2 ? 3 : 2);
        }
    }
    memset(out + size, 0, 2); /* where a sign is cut off at the end of the line */
}

/* The content of a line that is read: all of a short one, both ends of a long one with a blank before the second.
 * Quotes, dashes and signs beyond ASCII become blanks. Zeros follow, to the end of the block and beyond. */
static inline int64_t line_ends(const uint8_t *text, int64_t size, int64_t head, int64_t tail, uint8_t *out) {
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
    if (leads) blank_signs(out, size);
    return size;
}

/* Which bytes of a block are parts of words, and which are marks of ASCII. */
static inline void classify(const uint8_t *text, uint64_t *words, uint64_t *marks) {
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

/* The bytes of a word of up to 16 that count; the rest of it is nothing to its key. */
static const uint64_t KEEP[25] = {
#define LOW(size) (UINT64_C(1) << 8 * (size)) - 1
    0, 0, 0, 0, 0, 0, 0, 0, 0, LOW(1), LOW(2), LOW(3), LOW(4), LOW(5), LOW(6), LOW(7), ~UINT64_C(0), ~UINT64_C(0),
    ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0),
#undef LOW
};

/* No branch for long words, here and below: one in four is long, and which cannot be guessed. */
static inline uint64_t word_key(const uint8_t *word, int64_t size) {
    uint64_t head = (eight_bytes(word) | LOWER) & KEEP[8 + size], tail = (eight_bytes(word + 8) | LOWER) & KEEP[size];
    uint64_t key = head * MIX ^ tail * MIX_B;
    if (is_digit(word[0])) key = (uint64_t)((size < 5 ? size : 5) + 1) * MIX_C;
    return key ^ key >> 29;
}

static inline unsigned word_flags(const uint8_t *word, int64_t size) {
    unsigned capital = is_upper(word[0]);
    return capital * CAPITAL | (capital & (size > 1) & is_upper(word[1])) * UPPER | is_digit(word[0]) * DIGIT |
           (size >= 8) * LONG_WORD;
}

static inline unsigned ends_sentence(uint8_t byte) { return (byte == '.') | (byte == '!') | (byte == '?'); }

/* Where words begin and stop, in turn, and the sum of the marks between them; returns how many edges there are. */
static inline int64_t find_edges(const uint8_t *text, int64_t size, const uint64_t *mark_unit, uint16_t *edge,
                                 uint64_t *marks) {
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
    return edges;
}

WIDER void find_words(const uint8_t *line, int64_t size, int64_t head, int64_t tail, const uint64_t *mark_unit,
                      Words *out) {
    uint8_t space[ROOM + MOST_BYTES + BLOCK + ROOM], *text = space + ROOM;
    uint16_t edge[2 * MOST_WORDS + 2];
    size = line_ends(line, size, head, tail, text);
    out->count = find_edges(text, size, mark_unit, edge, &out->marks) / 2;
    uint64_t whole = (uint64_t)out->count;
    for (int64_t i = 0; i < out->count; i++) {
        const uint8_t *word = text + edge[2 * i];
        int64_t length = edge[2 * i + 1] - edge[2 * i] < 16 ? edge[2 * i + 1] - edge[2 * i] : 16;
        /* The word before takes one byte, what parts them another: two bytes back there is always one of the line. */
        unsigned sentence = i == 0 ? FIRST : ends_sentence(word[-2]) * SENTENCE;
        out->key[i] = word_key(word, length);
        out->flags[i] = (uint8_t)(word_flags(word, length) | sentence);
        whole += out->key[i] * (uint64_t)(2 * i + 1);
    }
    whole *= MIX;
    out->whole = whole ^ whole >> 29;
}
