/* What the line model sees around each line, row by row: see `pipeline.strip.model.neighbours`. */

#include "kernels.h"
#include "rows.h"

enum { HEADS = ENDED - JUNK, REACH = 6, EVEN = 128, HOT = EVEN + 10, COLD = EVEN - 20, FAR = 254, NONE = 255 };

static const int NEAREST[] = {LENGTH,  WORD_COUNT, ENDED,      JUNK,        ASK,     RELATED, NAVIGATION,
                              COMMENT, SHARES,     SHARES + 2, NAMES_ALONE, CAPTION, DATE};
enum { NEAR_ROWS = 8, NEAREST_ROWS = sizeof NEAREST / sizeof *NEAREST };

/* Whether the line `distance` further on is of the same document, as 255 or 0. */
static void fill_inside(const int64_t *first, Py_ssize_t documents, int distance, uint8_t *inside) {
    for (Py_ssize_t d = 0; d < documents; d++) {
        int64_t low = first[d], high = first[d + 1], size = high - low, from = distance < 0 ? -distance : 0;
        int64_t out = distance < 0 ? from : distance;
        if (out > size) out = size;
        memset(inside + low, 255, size);
        memset(inside + (distance < 0 ? low : high - out), 0, out);
    }
}

/* The values of the line `distance` further on, 0 where there is none. */
static void shift(const uint8_t *in, int distance, const uint8_t *inside, Py_ssize_t lines, uint8_t *restrict out) {
    Py_ssize_t low = distance < 0 ? -distance : 0, high = distance < 0 ? lines : lines - distance;
    if (low > lines) low = lines;
    if (high < low) high = low;
    memset(out, 0, low);
    for (Py_ssize_t i = low; i < high; i++) out[i] = in[i + distance] & inside[i];
    memset(out + high, 0, lines - high);
}

static uint8_t *shifts(uint8_t *rows, const int64_t *first, Py_ssize_t documents, Py_ssize_t lines, uint8_t *inside) {
    uint8_t *out = rows + SHIFTED * lines;
    for (int distance = -3; distance <= 3; distance++) {
        if (distance == 0) continue;
        fill_inside(first, documents, distance, inside);
        for (int k = 0; k < (distance == -3 || distance == 3 ? NEAR_ROWS : NEAREST_ROWS); k++, out += lines)
            shift(rows + NEAREST[k] * lines, distance, inside, lines, out);
    }
    return out;
}

static uint8_t mean(uint32_t total, uint32_t size) { return (uint8_t)(total / (size ? size : 1)); }

/* The mean of a row over a document; over the lines before each, the lines after it, and those within reach. */
static void means(const uint8_t *in, Py_ssize_t size, Py_ssize_t lines, int around, uint8_t *out) {
    uint32_t total = 0, before = 0, near = 0, count = (uint32_t)size;
    for (Py_ssize_t i = 0; i < size; i++) total += in[i];
    memset(out, mean(total, count), size);
    if (!around) return;
    for (Py_ssize_t i = 0; i < size && i < REACH; i++) near += in[i];
    for (Py_ssize_t i = 0; i < size; i++) {
        near += i + REACH < size ? in[i + REACH] : 0;
        near -= i > REACH ? in[i - REACH - 1] : 0;
        Py_ssize_t low = i > REACH ? i - REACH : 0, high = i + REACH + 1 < size ? i + REACH + 1 : size;
        out[lines + i] = mean(before, (uint32_t)i);
        before += in[i];
        out[2 * lines + i] = mean(total - before, count - 1 - (uint32_t)i);
        out[3 * lines + i] = mean(near, (uint32_t)(high - low));
    }
}

/* How many lines back and ahead the nearest line from `low` to `high` is. */
static void gaps(const uint8_t *in, uint8_t low, uint8_t high, Py_ssize_t size, uint8_t *back, uint8_t *ahead) {
    Py_ssize_t gap = -1;
    for (Py_ssize_t i = 0; i < size; i++) {
        back[i] = (uint8_t)(gap < 0 ? NONE : gap < FAR ? gap : FAR);
        gap = in[i] >= low && in[i] <= high ? 1 : gap < 0 ? gap : gap + 1;
    }
    gap = -1;
    for (Py_ssize_t i = size - 1; i >= 0; i--) {
        ahead[i] = (uint8_t)(gap < 0 ? NONE : gap < FAR ? gap : FAR);
        gap = in[i] >= low && in[i] <= high ? 1 : gap < 0 ? gap : gap + 1;
    }
}

/* The rows of one document that need all of it. */
static void document(const uint8_t *rows, Py_ssize_t low, Py_ssize_t size, Py_ssize_t lines, uint8_t *out) {
    for (int head = JUNK; head < NOTE; head++) {
        int around = head == JUNK || head == ASK || head == RELATED || head == COMMENT;
        means(rows + head * lines + low, size, lines, around, out + low);
        out += (around ? 4 : 1) * lines;
    }
    const uint8_t *junk = rows + JUNK * lines + low;
    Py_ssize_t hot = 0;
    for (Py_ssize_t i = 0; i < size; i++) hot += junk[i] >= HOT;
    out += low;
    memset(out, (int)(hot * 255 / size), size);
    gaps(junk, HOT, 255, size, out + lines, out + 2 * lines);
    gaps(junk, 0, COLD - 1, size, out + 3 * lines, out + 4 * lines);
}

static int fill(const uint8_t *own, const uint8_t *heads, const int64_t *first, Py_ssize_t documents, Py_ssize_t lines,
                uint8_t *out) {
    uint8_t *inside = PyMem_Malloc(lines + 1);
    if (!inside) {
        PyErr_NoMemory();
        return 0;
    }
    if (own != out) memmove(out, own, OWN_ROWS * lines);
    memcpy(out + JUNK * lines, heads, HEADS * lines);
    uint8_t *ended = out + ENDED * lines;
    for (Py_ssize_t i = 0; i < lines; i++)
        ended[i] = out[(END + 1) * lines + i] | out[(END + 2) * lines + i] | out[QUOTED_STOP * lines + i] |
                   out[QUOTED_ASK * lines + i];
    uint8_t *rest = shifts(out, first, documents, lines, inside);
    for (Py_ssize_t d = 0; d < documents; d++)
        if (first[d] < first[d + 1])
            document(out, (Py_ssize_t)first[d], (Py_ssize_t)(first[d + 1] - first[d]), lines, rest);
    PyMem_Free(inside);
    return 1;
}

/* surroundings(own, heads, first, out); `own` may be the first rows of `out`. */
PyObject *surroundings(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer views[4];
    if (!PyArg_ParseTuple(arguments, "y*y*y*w*", &views[0], &views[1], &views[2], &views[3])) return NULL;
    const int64_t *first = views[2].buf;
    Py_ssize_t lines = views[1].len / HEADS, documents = views[2].len / 8 - 1;
    int good = holds(&views[0], OWN_ROWS * lines, 1, "own") && holds(&views[1], HEADS * lines, 1, "heads") &&
               holds(&views[2], documents + 1, 8, "first") && holds(&views[3], ALL_ROWS * lines, 1, "out");
    if (good && (documents < 0 || lines > INT32_MAX / 255)) {
        PyErr_SetString(PyExc_ValueError, "there are no documents, or too many lines");
        good = 0;
    }
    good = good && divides(first, documents, lines) &&
           fill(views[0].buf, views[1].buf, first, documents, lines, views[3].buf);
    release(views, 4);
    if (!good) return NULL;
    Py_RETURN_NONE;
}
