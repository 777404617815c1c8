/* What the line model counts of each line, one document after the other: see `pipeline.strip.model.features`. */

#include "kernels.h"
#include "rows.h"

/* `_PROSE_BYTES`, `_ROOM` and the gap where there is none; lanes of a byte count the words of a line. */
enum { LEAST_PROSE = 100, ROOM = 16, NO_GAP = 99, MOST_WORDS = 255, MOST_LINES = 1 << 30 };

/* Both ends of a line are fetched from memory this many lines before they are looked at. */
enum { AHEAD = 12 };

/* What a line's edges say: classes of its ends, its first two bytes, whether it ends as a sentence does, is prose. */
typedef struct {
    int32_t size, gap_before;
    int32_t first, last, copies; /* of the lines with the same words: kept at the first of them */
    uint16_t lead;
    uint8_t ending, beginning, ended, prose;
} Line;

typedef struct {
    const uint8_t *buffer, *end_class;
    const int64_t *start, *end, *begin, *stop, *told, *told_stop;
    const uint64_t *whole, *marks, *kinds, *telling;
    Py_ssize_t lines;
    uint8_t *out;
    uint8_t squashed[256];
    Line *line;                      /* of one document */
    uint32_t *same_line, *same_word; /* tables of places; what an earlier document left there counts as nothing */
    uint64_t *place;                 /* of the telling words of one document; lowest: an earlier line has it too */
} Batch;

static uint8_t squash(int64_t value) {
    if (value < 64) return (uint8_t)value;
    if (value < 256) return (uint8_t)(48 + (value >> 2));
    if (value < 1024) return (uint8_t)(96 + (value >> 4));
    if (value < 4096) return (uint8_t)(144 + (value >> 6));
    value = 204 + (value >> 10);
    return (uint8_t)(value < 255 ? value : 255);
}

static uint8_t *row_of(const Batch *batch, int row, Py_ssize_t line) { return batch->out + row * batch->lines + line; }

static void put(const Batch *batch, int row, Py_ssize_t line, int64_t value) {
    *row_of(batch, row, line) = squash(value);
}

/* A share of the words of a line in 255ths; `unit` is 2**32 over their number, rounded up, and that is exact enough. */
static uint64_t share(uint64_t words, uint64_t unit) { return words * 255 * unit >> 32 & 255; }

/* Rows of a line by itself: how long it is, and what its words and marks are like. */
static void shape(const Batch *batch, Py_ssize_t line) {
    uint64_t kinds = batch->kinds[line], marks = batch->marks[line];
    int64_t count = batch->stop[line] - batch->begin[line];
    put(batch, LENGTH, line, batch->end[line] - batch->start[line]);
    *row_of(batch, WORD_COUNT, line) = batch->squashed[count];
    uint64_t unit = (UINT64_C(1) << 32) / (uint64_t)(count ? count : 1) + 1;
    for (int lane = 0; lane < 6; lane++)
        *row_of(batch, SHARES + lane, line) = batch->squashed[share(kinds >> 8 * lane & 255, unit)];
    *row_of(batch, SENTENCES, line) = batch->squashed[kinds >> 48 & 255];
    for (int lane = 0; lane < 8; lane++)
        *row_of(batch, MARKS + lane, line) = batch->squashed[marks >> 8 * lane & 255];
}

/* Which of the six kinds of first bytes a line has, in the order of `_STARTS`. */
static uint8_t beginning_of(uint8_t first, uint8_t second) {
    if ((uint8_t)(first - 'A') < 26) return 0;
    if ((uint8_t)(first - 'a') < 26) return 1;
    if ((uint8_t)(first - '0') < 10) return 2;
    if (first == '"' || first == '\'' || (first == 0xE2 && second == 0x80)) return 3;
    return first < 0x80 ? 4 : 5;
}

/* How a line ends and begins; the rows of flags are zeros already. */
static void edges(const Batch *batch, Py_ssize_t line, Line *at) {
    const uint8_t *text = batch->buffer + batch->start[line], *table = batch->end_class;
    int64_t last = batch->end[line] - batch->start[line] - 1;
    uint8_t final = text[last], before = text[last > 1 ? last - 1 : 0];
    uint8_t kind = table[final], inner = table[before];
    int dots = 0;
    if (before == 0x80 && text[last > 2 ? last - 2 : 0] == 0xE2) {
        dots = final == 0xA6; /* an ellipsis */
        kind = dots ? 2 : final == 0x9D || final == 0x99 || final == 0x9C ? 5 : kind;
        inner = table[text[last > 3 ? last - 3 : 0]];
    }
    int quoted = kind == 5 || kind == 6, closed = quoted && (inner == 1 || inner == 2);
    uint8_t second = text[last > 0 ? 1 : 0];
    at->size = (int32_t)(last + 1);
    at->lead = (uint16_t)(text[0] | second << 8);
    at->ending = kind;
    at->beginning = beginning_of(text[0], second);
    at->ended = (uint8_t)((kind == 1 || kind == 2 || closed) && !dots);
    at->prose = (uint8_t)(at->ended && at->size >= LEAST_PROSE);
    *row_of(batch, END + kind, line) = 1;
    *row_of(batch, START + at->beginning, line) = 1;
    if (closed) *row_of(batch, inner == 1 ? QUOTED_STOP : QUOTED_ASK, line) = 1;
}

/* Rows that are the same for all lines of a document, and where each line stands in it. */
static void places(const Batch *batch, Py_ssize_t low, Py_ssize_t count) {
    int64_t whole = 0, prose = 0, prose_size = 0, ended = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        const Line *at = batch->line + i;
        whole += at->size;
        prose += at->prose;
        prose_size += at->prose ? at->size : 0;
        ended += at->ended;
    }
    int64_t share = whole > 0 ? whole : 1;
    memset(row_of(batch, LINE_COUNT, low), squash(count), count);
    memset(row_of(batch, MEAN_LENGTH, low), squash(whole / count), count);
    memset(row_of(batch, PROSE_SHARE, low), squash(prose * 255 / count), count);
    memset(row_of(batch, PROSE_BYTES, low), squash(prose_size * 255 / share), count);
    memset(row_of(batch, ENDED_SHARE, low), squash(ended * 255 / count), count);
    int64_t before = 0, prose_before = 0, previous = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        Line *at = batch->line + i;
        int64_t after = whole - before - at->size;
        put(batch, FROM_FIRST, low + i, i);
        put(batch, TO_LAST, low + i, count - 1 - i);
        put(batch, SHARE_BEFORE, low + i, before * 255 / share);
        put(batch, BYTES_BEFORE, low + i, before < 1 << 20 ? before : 1 << 20);
        put(batch, BYTES_AFTER, low + i, after < 1 << 20 ? after : 1 << 20);
        put(batch, PROSE_BEFORE, low + i, prose_before);
        put(batch, PROSE_AFTER, low + i, prose - prose_before - at->prose);
        at->gap_before = prose_before ? (int32_t)(i - previous) : NO_GAP;
        put(batch, GAP_BEFORE, low + i, at->gap_before);
        before += at->size;
        prose_before += at->prose;
        if (at->prose) previous = i;
    }
    Py_ssize_t next = -1;
    for (Py_ssize_t i = count - 1; i >= 0; i--) {
        int64_t gap = next < 0 ? NO_GAP : next - i, both = gap + batch->line[i].gap_before;
        put(batch, GAP_AFTER, low + i, gap);
        put(batch, RUN_OF_SHORT, low + i, both < 255 ? both : 255);
        if (batch->line[i].prose) next = i;
    }
}

/* The place of a key among `room`, of its upper half. */
static uint32_t place_of(uint32_t key, uint64_t room) { return (uint32_t)(key * room >> 32); }

/* Whether the same line comes earlier and later in its document, and how often it comes. */
static void copies(const Batch *batch, Py_ssize_t low, Py_ssize_t count) {
    for (Py_ssize_t i = 0; i < count; i++) {
        uint32_t *place = batch->same_line + place_of((uint32_t)(batch->whole[low + i] >> 32), (uint64_t)count * ROOM);
        if (*place <= (uint32_t)low) *place = (uint32_t)(low + i + 1);
        Py_ssize_t first = (Py_ssize_t)*place - 1 - low;
        if (first == i) batch->line[i].copies = 0;
        batch->line[i].first = (int32_t)first;
        batch->line[first].last = (int32_t)i;
        batch->line[first].copies++;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        const Line *first = batch->line + batch->line[i].first;
        *row_of(batch, COPY_BEFORE, low + i) = batch->line[i].first != i;
        *row_of(batch, COPY_AFTER, low + i) = first->last != i;
        put(batch, COPIES, low + i, first->copies);
    }
}

/* How many of a line's names and long words other lines of its document use too. */
static void shared(const Batch *batch, Py_ssize_t low, Py_ssize_t count) {
    uint64_t room = 0;
    for (Py_ssize_t i = low; i < low + count; i++) room += (uint64_t)(batch->told_stop[i] - batch->told[i]) * ROOM;
    uint64_t *kept = batch->place;
    for (Py_ssize_t i = low; i < low + count; i++) {
        uint32_t own = (uint32_t)(i + 1) << 1; /* the first line with the word; and lowest: others have it too */
        for (int64_t k = batch->told[i]; k < batch->told_stop[i]; k++) {
            uint64_t at = place_of((uint32_t)batch->telling[k], room);
            uint32_t *place = batch->same_word + at, found = *place;
            uint32_t stale = found >> 1 <= (uint32_t)low, other = !stale && (found ^ own) > 1;
            *place = stale ? own : found | other;
            *kept++ = at << 1 | other;
        }
    }
    kept = batch->place;
    for (Py_ssize_t i = low; i < low + count; i++) {
        uint32_t names = 0, names_seen = 0, early = 0, seen = 0;
        uint32_t all = (uint32_t)(batch->told_stop[i] - batch->told[i]);
        for (int64_t k = batch->told[i]; k < batch->told_stop[i]; k++, kept++) {
            uint32_t name = batch->telling[k] >> 32 & 1, again = batch->same_word[*kept >> 1] & 1;
            names += name;
            names_seen += name & again;
            early += name & (uint32_t)*kept;
            seen += again;
        }
        uint32_t some_names = names ? names : 1, topics = all - names, some_topics = topics ? topics : 1;
        *row_of(batch, NAMES_SHARED, i) = batch->squashed[names_seen * 255 / some_names];
        *row_of(batch, NAMES_ALONE, i) = batch->squashed[names - names_seen];
        *row_of(batch, NAMES_EARLY, i) = batch->squashed[early * 255 / some_names];
        *row_of(batch, TOPICS_SHARED, i) = batch->squashed[(seen - names_seen) * 255 / some_topics];
        *row_of(batch, TOPICS_ALONE, i) = batch->squashed[topics - (seen - names_seen)];
    }
}

static int64_t within(int64_t value, int64_t bound) { return value < -bound ? -bound : value > bound ? bound : value; }

/* How a line differs from the one before it and the one after: entries of a list are alike. */
static void likeness(const Batch *batch, Py_ssize_t low, Py_ssize_t count) {
    const uint8_t *length = row_of(batch, LENGTH, low);
    for (Py_ssize_t i = 0; i <= count; i++) { /* the border before line `i` */
        int inside = i > 0 && i < count;
        const Line *last = batch->line + (i > 0 ? i - 1 : 0), *next = batch->line + i;
        int64_t step = inside ? within(length[i] - length[i - 1], 127) : 127;
        int begins = inside && last->beginning == next->beginning ? 1 + (last->lead == next->lead) : 0;
        int ends = inside && last->ending == next->ending;
        if (i < count) {
            *row_of(batch, LONGER_THAN_LAST, low + i) = batch->squashed[step + 128];
            *row_of(batch, STARTS_AS_LAST, low + i) = (uint8_t)begins;
            *row_of(batch, ENDS_AS_LAST, low + i) = (uint8_t)ends;
        }
        if (i > 0) {
            *row_of(batch, LONGER_THAN_NEXT, low + i - 1) = batch->squashed[128 - step];
            *row_of(batch, STARTS_AS_NEXT, low + i - 1) = (uint8_t)begins;
            *row_of(batch, ENDS_AS_NEXT, low + i - 1) = (uint8_t)ends;
        }
    }
}

static void document(const Batch *batch, Py_ssize_t low, Py_ssize_t count) {
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_ssize_t ahead = low + i + AHEAD < batch->lines ? low + i + AHEAD : low + i;
        __builtin_prefetch(batch->buffer + batch->start[ahead]);
        __builtin_prefetch(batch->buffer + batch->end[ahead] - 1);
        shape(batch, low + i);
        edges(batch, low + i, batch->line + i);
    }
    places(batch, low, count);
    copies(batch, low, count);
    shared(batch, low, count);
    likeness(batch, low, count);
}

/* The most lines and the most telling words of a document. */
static int most_of(const Batch *batch, const int64_t *first, Py_ssize_t documents, Py_ssize_t *lines,
                   Py_ssize_t *told) {
    *lines = *told = 0;
    for (Py_ssize_t d = 0; d < documents; d++) {
        Py_ssize_t count = 0;
        for (int64_t line = first[d]; line < first[d + 1]; line++) {
            int64_t words = batch->stop[line] - batch->begin[line], some = batch->told_stop[line] - batch->told[line];
            if (words > MOST_WORDS || some > words || batch->end[line] == batch->start[line]) {
                PyErr_Format(PyExc_ValueError, "line %zd is empty or has too many words", (Py_ssize_t)line);
                return 0;
            }
            count += (Py_ssize_t)some;
        }
        if (count > *told) *told = count;
        if (first[d + 1] - first[d] > *lines) *lines = (Py_ssize_t)(first[d + 1] - first[d]);
    }
    return 1;
}

static int fill(Batch *batch, const int64_t *first, Py_ssize_t documents) {
    Py_ssize_t lines, told;
    if (!most_of(batch, first, documents, &lines, &told)) return 0;
    batch->line = PyMem_Calloc(lines + 1, sizeof *batch->line);
    batch->same_line = PyMem_Calloc(lines * ROOM + 1, sizeof *batch->same_line);
    batch->same_word = PyMem_Calloc(told * ROOM + 1, sizeof *batch->same_word);
    batch->place = PyMem_Calloc(told + 1, sizeof *batch->place);
    int good = batch->line && batch->same_line && batch->same_word && batch->place;
    if (!good) PyErr_NoMemory();
    if (good) memset(row_of(batch, END, 0), 0, (FROM_FIRST - END) * batch->lines);
    for (int value = 0; value < 256; value++) batch->squashed[value] = squash(value);
    for (Py_ssize_t d = 0; good && d < documents; d++)
        if (first[d] < first[d + 1]) document(batch, (Py_ssize_t)first[d], (Py_ssize_t)(first[d + 1] - first[d]));
    PyMem_Free(batch->line);
    PyMem_Free(batch->same_line);
    PyMem_Free(batch->same_word);
    PyMem_Free(batch->place);
    return good;
}

static int classes_within(const uint8_t *end_class) {
    for (int byte = 0; byte < 256; byte++)
        if (end_class[byte] >= QUOTED_STOP - END) return 0;
    return 1;
}

/* line_features(buffer, start, end, first, begin, stop, told, told_stop, whole, marks, kinds, telling, end_class,
 *               out) */
PyObject *line_features(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer views[14];
    if (!PyArg_ParseTuple(arguments, "y*y*y*y*y*y*y*y*y*y*y*y*y*w*", &views[0], &views[1], &views[2], &views[3],
                          &views[4], &views[5], &views[6], &views[7], &views[8], &views[9], &views[10], &views[11],
                          &views[12], &views[13]))
        return NULL;
    Batch batch = {
        .buffer = views[0].buf, .start = views[1].buf, .end = views[2].buf, .begin = views[4].buf,
        .stop = views[5].buf, .told = views[6].buf, .told_stop = views[7].buf, .whole = views[8].buf,
        .marks = views[9].buf, .kinds = views[10].buf, .telling = views[11].buf, .end_class = views[12].buf,
        .out = views[13].buf, .lines = views[1].len / 8,
    };
    const int64_t *first = views[3].buf;
    Py_ssize_t lines = batch.lines, documents = views[3].len / 8 - 1, telling = views[11].len / 8;
    int good = documents >= 0 && lines < MOST_LINES && holds(&views[1], lines, 8, "start") &&
               holds(&views[2], lines, 8, "end") && holds(&views[3], documents + 1, 8, "first") &&
               holds(&views[4], lines, 8, "begin") && holds(&views[5], lines, 8, "stop") &&
               holds(&views[6], lines, 8, "told") && holds(&views[7], lines, 8, "told_stop") &&
               holds(&views[8], lines, 8, "whole") && holds(&views[9], lines, 8, "marks") &&
               holds(&views[10], lines, 8, "kinds") && holds(&views[11], telling, 8, "telling") &&
               holds(&views[12], 256, 1, "end_class") && holds(&views[13], OWN_ROWS * lines, 1, "out") &&
               classes_within(batch.end_class) && ranges_within(batch.start, batch.end, lines, views[0].len) &&
               ranges_within(batch.begin, batch.stop, lines, INT64_MAX) &&
               ranges_within(batch.told, batch.told_stop, lines, telling) && divides(first, documents, lines) &&
               fill(&batch, first, documents);
    release(views, 14);
    if (good) Py_RETURN_NONE;
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "there are no documents, too many lines, or other classes of bytes");
    return NULL;
}
