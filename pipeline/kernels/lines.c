/* Lines of texts and their bytes: where they are, how many words they hold, what tells one from another. */

#include "kernels.h"

#define PRIME UINT64_C(0x9E3779B97F4A7C15)
#define SEED UINT64_C(0xC2B2AE3D27D4EB4F)

/* Bytes of the blank character that starts at a place with so many bytes left, 0 if none does: see `lines._BLANKS`. */
static int64_t blank_at(const uint8_t *text, int64_t left) {
    uint8_t byte = text[0];
    if (byte <= 0x20 || byte == 0x7F) return 1;
    if (byte < 0xC2) return 0;
    if (byte == 0xC2) return left >= 2 && (text[1] == 0xA0 || text[1] == 0x85) ? 2 : 0;
    if (left < 3) return 0;
    uint8_t second = text[1], third = text[2];
    int blank = byte == 0xE2   ? (second == 0x80 && ((third >= 0x80 && third < 0x90) || third == 0xA8 ||
                                                   third == 0xA9 || third == 0xAF)) ||
                                   (second == 0x81 && third == 0xA0)
                : byte == 0xE3 ? second == 0x80 && third == 0x80
                               : byte == 0xEF && second == 0xBB && third == 0xBF;
    return blank ? 3 : 0;
}

/* The same of the character that stops there, with so many bytes before. */
static int64_t blank_before(const uint8_t *stop, int64_t size) {
    if (stop[-1] < 0x80) return blank_at(stop - 1, 1);
    if (size >= 2 && blank_at(stop - 2, 2) == 2) return 2;
    return size >= 3 && blank_at(stop - 3, 3) == 3 ? 3 : 0;
}

/* Where a byte comes next, `limit` if it does not. */
static int64_t next_byte(const uint8_t *buffer, int64_t place, int64_t limit, int byte) {
    const uint8_t *found = place < limit ? memchr(buffer + place, byte, (size_t)(limit - place)) : NULL;
    return found ? found - buffer : limit;
}

/* Room for lines, and where their numbers go. */
struct lines {
    int64_t room, count;
    int32_t *document;
    int64_t *start, *end, *begin, *stop;
};

/* Note a line without the white space at both ends, unless there is nothing else; beyond the room it only counts. */
static void note_line(struct lines *lines, const uint8_t *buffer, int32_t document, int64_t begin, int64_t stop) {
    int64_t start = begin, end = stop, size = 1;
    while (start < end && (size = blank_at(buffer + start, end - start))) start += size;
    if (start == end) return;
    while ((size = blank_before(buffer + end, end - start))) end -= size; /* what is solid at `start` stops it */
    int64_t line = lines->count++;
    if (line >= lines->room) return;
    lines->document[line] = document;
    lines->start[line] = start;
    lines->end[line] = end;
    lines->begin[line] = begin;
    lines->stop[line] = stop;
}

/* split_lines(buffer, base, first, document, start, end, begin, stop) -> lines, which may be more than there was room
 * for. */
PyObject *split_lines(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer views[8];
    if (!PyArg_ParseTuple(arguments, "y*y*w*w*w*w*w*w*", &views[0], &views[1], &views[2], &views[3], &views[4],
                          &views[5], &views[6], &views[7]))
        return NULL;
    const uint8_t *buffer = views[0].buf;
    const int64_t *base = views[1].buf;
    int64_t *first = views[2].buf;
    Py_ssize_t texts = views[1].len / 8 - 1, limit = views[0].len;
    struct lines lines = {views[4].len / 8, 0, views[3].buf, views[4].buf, views[5].buf, views[6].buf, views[7].buf};
    int good = texts >= 0 && texts <= INT32_MAX && holds(&views[1], texts + 1, 8, "base") &&
               holds(&views[2], texts + 1, 8, "first") && holds(&views[3], lines.room, 4, "document") &&
               holds(&views[4], lines.room, 8, "start") && holds(&views[5], lines.room, 8, "end") &&
               holds(&views[6], lines.room, 8, "begin") && holds(&views[7], lines.room, 8, "stop") &&
               divides(base, texts, limit);
    int64_t feed = -1, turn = -1; /* the next line feed and carriage return: each is looked for from the last one on */
    for (Py_ssize_t text = 0; good && text < texts; text++) {
        first[text] = lines.count;
        int64_t end = base[text + 1];
        for (int64_t begin = base[text], stop; begin < end; begin = stop) {
            if (feed < begin) feed = next_byte(buffer, begin, limit, '\n');
            if (turn < begin) turn = next_byte(buffer, begin, limit, '\r');
            stop = (feed < turn ? feed : turn + (feed == turn + 1)) + 1; /* a pair is one break */
            if (stop > end) stop = end;
            note_line(&lines, buffer, (int32_t)text, begin, stop);
        }
    }
    if (good) first[texts] = lines.count;
    release(views, 8);
    if (good) return PyLong_FromLongLong(lines.count);
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "base holds no offset, or too many");
    return NULL;
}

/* A bit for each of 64 bytes that are part of words. `blank` are the bits of a blank character that began before; those
 * of one that goes on behind the block are left there. At least `left` bytes can be read, and no fewer than 64. */
static uint64_t solid_bits(const uint8_t *text, int64_t left, uint64_t *blank) {
    uint8_t solid[BLOCK], lead[BLOCK], any = 0;
    for (int i = 0; i < BLOCK; i++) {
        uint8_t byte = text[i];
        solid[i] = (uint8_t)((byte > 0x20) & (byte != 0x7F));
        lead[i] = (uint8_t)((byte == 0xC2) | ((uint8_t)(byte - 0xE2) < 14)); /* all of three bytes: a range is quick */
        any |= lead[i];
    }
    uint64_t gone = *blank;
    *blank = 0;
    for (uint64_t leads = any ? gather_bits(lead) : 0; leads; leads &= leads - 1) {
        int place = __builtin_ctzll(leads);
        int64_t size = place < left ? blank_at(text + place, left - place) : 0;
        gone |= low_bits(size) << place;
        if (place + size > BLOCK) *blank = low_bits(place + size - BLOCK);
    }
    return gather_bits(solid) & ~gone;
}

static int32_t words_in(const uint8_t *text, int64_t size) {
    uint8_t rest[BLOCK];
    uint64_t blank = 0, before = 0;
    int32_t words = 0;
    for (int64_t place = 0; place < size; place += BLOCK) {
        const uint8_t *block = text + place;
        if (size - place < BLOCK) {
            memset(rest, 0, sizeof rest);
            block = memcpy(rest, block, (size_t)(size - place));
        }
        uint64_t solid = solid_bits(block, size - place, &blank);
        words += __builtin_popcountll(solid & ~(solid << 1 | before));
        before = solid >> (BLOCK - 1);
    }
    return words;
}

/* count_words(buffer, base, count) */
PyObject *count_words(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer views[3];
    if (!PyArg_ParseTuple(arguments, "y*y*w*", &views[0], &views[1], &views[2])) return NULL;
    const uint8_t *buffer = views[0].buf;
    const int64_t *base = views[1].buf;
    int32_t *count = views[2].buf;
    Py_ssize_t texts = views[2].len / 4;
    int good = holds(&views[1], texts + 1, 8, "base") && holds(&views[2], texts, 4, "count") &&
               divides(base, texts, views[0].len);
    for (Py_ssize_t text = 0; good && text < texts; text++)
        count[text] = words_in(buffer + base[text], base[text + 1] - base[text]);
    release(views, 3);
    if (!good) return NULL;
    Py_RETURN_NONE;
}

/* hash_lines(buffer, start, end, seed, most, key): a hash of the first `most` bytes of each line, eight at a time. */
PyObject *hash_lines(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer views[5];
    Py_ssize_t most;
    if (!PyArg_ParseTuple(arguments, "y*y*y*y*nw*", &views[0], &views[1], &views[2], &views[3], &most, &views[4]))
        return NULL;
    const uint8_t *buffer = views[0].buf;
    const int64_t *start = views[1].buf, *end = views[2].buf;
    const uint64_t *seed = views[3].buf;
    uint64_t *key = views[4].buf;
    Py_ssize_t lines = views[4].len / 8;
    int good = holds(&views[1], lines, 8, "start") && holds(&views[2], lines, 8, "end") &&
               holds(&views[3], lines, 8, "seed") && holds(&views[4], lines, 8, "key") &&
               ranges_within(start, end, lines, views[0].len);
    for (Py_ssize_t line = 0; good && line < lines; line++) {
        const uint8_t *text = buffer + start[line];
        int64_t size = end[line] - start[line] < most ? end[line] - start[line] : most;
        uint64_t value = (seed[line] ^ SEED) + (uint64_t)size;
        for (int64_t place = 0; place < size; place += 8) {
            uint64_t word = 0;
            if (size - place >= 8)
                word = eight_bytes(text + place);
            else
                memcpy(&word, text + place, (size_t)(size - place));
            value = (value ^ word) * PRIME;
            value ^= value >> 29;
        }
        key[line] = value * PRIME;
    }
    release(views, 5);
    if (!good) return NULL;
    Py_RETURN_NONE;
}

/* holds_any(buffer, start, end, table, found): whether a byte of each range is one that the table marks. */
PyObject *holds_any(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer views[5];
    if (!PyArg_ParseTuple(arguments, "y*y*y*y*w*", &views[0], &views[1], &views[2], &views[3], &views[4])) return NULL;
    const uint8_t *buffer = views[0].buf, *table = views[3].buf;
    const int64_t *start = views[1].buf, *end = views[2].buf;
    uint8_t *found = views[4].buf;
    Py_ssize_t ranges = views[4].len;
    int good = holds(&views[1], ranges, 8, "start") && holds(&views[2], ranges, 8, "end") &&
               holds(&views[3], 256, 1, "table") && ranges_within(start, end, ranges, views[0].len);
    for (Py_ssize_t range = 0; good && range < ranges; range++) {
        int64_t place = start[range];
        while (place < end[range] && !table[buffer[place]]) place++;
        found[range] = place < end[range];
    }
    release(views, 5);
    if (!good) return NULL;
    Py_RETURN_NONE;
}

/* same_bytes(buffer, start, end, other, other_start, other_end, same): whether ranges of two buffers hold the same. */
PyObject *same_bytes(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer views[7];
    if (!PyArg_ParseTuple(arguments, "y*y*y*y*y*y*w*", &views[0], &views[1], &views[2], &views[3], &views[4], &views[5],
                          &views[6]))
        return NULL;
    const uint8_t *buffer = views[0].buf, *other = views[3].buf;
    const int64_t *start = views[1].buf, *end = views[2].buf, *other_start = views[4].buf, *other_end = views[5].buf;
    uint8_t *same = views[6].buf;
    Py_ssize_t ranges = views[6].len;
    int good = holds(&views[1], ranges, 8, "start") && holds(&views[2], ranges, 8, "end") &&
               holds(&views[4], ranges, 8, "other_start") && holds(&views[5], ranges, 8, "other_end") &&
               ranges_within(start, end, ranges, views[0].len) &&
               ranges_within(other_start, other_end, ranges, views[3].len);
    for (Py_ssize_t range = 0; good && range < ranges; range++) {
        int64_t size = end[range] - start[range];
        same[range] = size == other_end[range] - other_start[range] &&
                      !memcmp(buffer + start[range], other + other_start[range], (size_t)size);
    }
    release(views, 7);
    if (!good) return NULL;
    Py_RETURN_NONE;
}

/* join_ranges(buffer, start, end, joined): the bytes of ranges, one after the other. */
PyObject *join_ranges(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer views[4];
    if (!PyArg_ParseTuple(arguments, "y*y*y*w*", &views[0], &views[1], &views[2], &views[3])) return NULL;
    const uint8_t *buffer = views[0].buf;
    const int64_t *start = views[1].buf, *end = views[2].buf;
    uint8_t *joined = views[3].buf;
    Py_ssize_t ranges = views[1].len / 8, room = views[3].len;
    int good = holds(&views[1], ranges, 8, "start") && holds(&views[2], ranges, 8, "end") &&
               ranges_within(start, end, ranges, views[0].len);
    int64_t place = 0;
    for (Py_ssize_t range = 0; good && range < ranges && place <= room; range++) {
        int64_t size = end[range] - start[range];
        if (size <= room - place) memcpy(joined + place, buffer + start[range], (size_t)size);
        place += size;
    }
    if (good && place != room) {
        PyErr_SetString(PyExc_ValueError, "the ranges do not fill the bytes that are there for them");
        good = 0;
    }
    release(views, 4);
    if (!good) return NULL;
    Py_RETURN_NONE;
}
