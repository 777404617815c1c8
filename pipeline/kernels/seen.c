/* Which lines were seen before: a hash table of lines that the caller keeps. */

#include "kernels.h"

#define MIX UINT64_C(0x9E3779B97F4A7C15)
#define MIX_B UINT64_C(0xC2B2AE3D27D4EB4F)

/* Slots that are looked at before a line goes without an entry: lines made to collide cost no more than that. */
enum { MOST_PROBES = 64 };

static uint64_t hash_of(const uint8_t *text, int64_t size) {
    uint64_t hash = (uint64_t)size * MIX_B, rest = 0;
    int64_t place = 0;
    for (; place + 8 <= size; place += 8) {
        hash = (hash ^ eight_bytes(text + place)) * MIX;
        hash ^= hash >> 29;
    }
    memcpy(&rest, text + place, (size_t)(size - place));
    hash = (hash ^ rest) * MIX;
    return hash ^ hash >> 32;
}

/* What the caller keeps, see `_compiled.pyi`. */
struct memory {
    int64_t *table, *stop;
    uint8_t *text;
    int64_t slots, count;
};

/* The entry of a line, a new one if there was none; -1 where none can be had. */
static int64_t entry_of(struct memory *memory, const uint8_t *text, int64_t size) {
    uint64_t mask = (uint64_t)memory->slots - 1, slot = hash_of(text, size) & mask;
    for (int probe = 0; probe < MOST_PROBES; probe++, slot = (slot + 1) & mask) {
        int64_t entry = memory->table[slot] - 1;
        if (entry < 0) {
            memcpy(memory->text + memory->stop[memory->count], text, (size_t)size);
            memory->stop[memory->count + 1] = memory->stop[memory->count] + size;
            memory->table[slot] = ++memory->count;
            return memory->count - 1;
        }
        const int64_t *stop = memory->stop + entry;
        if (stop[1] - stop[0] == size && memcmp(memory->text + stop[0], text, (size_t)size) == 0) return entry;
    }
    return -1;
}

/* Whether all entries lie within what is known, and all lines that may get one fit. */
static int fits(const struct memory *memory, int64_t entries, int64_t bytes, const int64_t *start, const int64_t *end,
                int64_t lines, int64_t longest) {
    for (int64_t slot = 0; slot < memory->slots; slot++) {
        if (memory->table[slot] < 0 || memory->table[slot] > memory->count) {
            PyErr_SetString(PyExc_ValueError, "the table names an entry that is not there");
            return 0;
        }
    }
    int64_t more = 0, size = 0;
    for (int64_t line = 0; line < lines; line++) {
        if (end[line] - start[line] > longest) continue;
        more++;
        size += end[line] - start[line];
    }
    if (memory->count + more <= entries && size <= bytes - memory->stop[memory->count]) return 1;
    PyErr_SetString(PyExc_ValueError, "there is no room for the lines");
    return 0;
}

/* see_lines(buffer, start, end, longest, known, table, text, stop, entry) -> entries */
PyObject *see_lines(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer views[7];
    Py_ssize_t longest, known;
    if (!PyArg_ParseTuple(arguments, "y*y*y*nnw*w*w*w*", &views[0], &views[1], &views[2], &longest, &known, &views[3],
                          &views[4], &views[5], &views[6]))
        return NULL;
    const uint8_t *buffer = views[0].buf;
    const int64_t *start = views[1].buf, *end = views[2].buf;
    int64_t *entry = views[6].buf;
    Py_ssize_t lines = views[1].len / 8, slots = views[3].len / 8, entries = views[5].len / 8 - 1;
    struct memory memory = {views[3].buf, views[5].buf, views[4].buf, slots, known};
    int good = holds(&views[1], lines, 8, "start") && holds(&views[2], lines, 8, "end") &&
               holds(&views[3], slots, 8, "table") && holds(&views[5], entries + 1, 8, "stop") &&
               holds(&views[6], lines, 8, "entry") && ranges_within(start, end, lines, views[0].len);
    if (good && (slots < 1 || (slots & (slots - 1)) != 0 || known < 0 || known > entries)) {
        PyErr_SetString(PyExc_ValueError, "the table holds no power of two of slots, or more than there is room for");
        good = 0;
    }
    /* What the lines take must fit into the text: a size that it cannot have divides nothing. */
    good = good && divides(memory.stop, known, memory.stop[known] <= views[4].len ? memory.stop[known] : -1) &&
           fits(&memory, entries, views[4].len, start, end, lines, longest);
    for (Py_ssize_t line = 0; good && line < lines; line++) {
        int64_t size = end[line] - start[line];
        entry[line] = size > longest ? -1 : entry_of(&memory, buffer + start[line], size);
    }
    release(views, 7);
    return good ? PyLong_FromLongLong(memory.count) : NULL;
}
