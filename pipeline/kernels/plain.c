/* What patterns see of a line: plain quotation marks and blanks, and of a long line only its ends. */

#include "kernels.h"

/* More of a line's ends than this nobody asks for. */
enum { MOST_BYTES = 1 << 20 };

/* Bytes at the end of a text that begin a character which is not whole. */
static int64_t cut_character(const uint8_t *text, int64_t size) {
    for (int64_t back = 1; back <= 3 && back <= size; back++) {
        uint8_t byte = text[size - back];
        if (byte < 0x80) return 0;
        if (byte >= 0xC0) return back < (byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2) ? back : 0;
    }
    return 0;
}

/* Bytes at the start of a text that belong to a character which began before it. */
static int64_t rest_of_character(const uint8_t *text, int64_t size) {
    int64_t rest = 0;
    while (rest < 3 && rest < size && (text[rest] & 0xC0) == 0x80) rest++;
    return rest;
}

/* The plain sign for a character of two or three bytes: its size, and what stands for it; 0 where it is plain. */
static int64_t plain_sign(const uint8_t *text, int64_t left, char *sign) {
    if (text[0] == 0xC2 && left >= 2) {
        *sign = text[1] == 0xA0 ? ' ' : 0;
        return text[1] == 0xA0 || text[1] == 0xAD ? 2 : 0;
    }
    if (text[0] != 0xE2 || left < 3 || text[1] != 0x80) return 0;
    switch (text[2]) {
    case 0x98: case 0x99: *sign = '\''; return 3;
    case 0x9C: case 0x9D: *sign = '"'; return 3;
    case 0xAF: *sign = ' '; return 3;
    case 0x8B: *sign = 0; return 3;
    default: return 0;
    }
}

/* Write the plain form of a text; where it ends. */
static uint8_t *write_plain(const uint8_t *text, int64_t size, uint8_t *out) {
    for (int64_t place = 0; place < size;) {
        while (place + 8 <= size && !(eight_bytes(text + place) & UINT64_C(0x8080808080808080))) {
            memcpy(out, text + place, 8);
            out += 8;
            place += 8;
        }
        if (place >= size) break;
        char sign = 0;
        int64_t width = text[place] < 0x80 ? 0 : plain_sign(text + place, size - place, &sign);
        if (width == 0) {
            *out++ = text[place++];
        } else {
            if (sign) *out++ = (uint8_t)sign;
            place += width;
        }
    }
    return out;
}

/* plain_lines(buffer, start, end, head, tail, text, stop); a break comes after each line, and counts to it */
PyObject *plain_lines(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer views[5];
    Py_ssize_t head, tail;
    if (!PyArg_ParseTuple(arguments, "y*y*y*nnw*w*", &views[0], &views[1], &views[2], &head, &tail, &views[3],
                          &views[4]))
        return NULL;
    const uint8_t *buffer = views[0].buf;
    const int64_t *start = views[1].buf, *end = views[2].buf;
    uint8_t *text = views[3].buf, *out = text;
    int64_t *stop = views[4].buf, room = 0;
    Py_ssize_t lines = views[1].len / 8;
    int good = holds(&views[1], lines, 8, "start") && holds(&views[2], lines, 8, "end") &&
               holds(&views[4], lines, 8, "stop") && ranges_within(start, end, lines, views[0].len);
    if (good && (head < 0 || tail < 0 || head > MOST_BYTES || tail > MOST_BYTES)) {
        PyErr_SetString(PyExc_ValueError, "head and tail do not fit");
        good = 0;
    }
    for (Py_ssize_t line = 0; good && line < lines; line++) {
        int64_t size = end[line] - start[line];
        room += (size > head + tail ? head + tail + 1 : size) + 1;
    }
    if (good && room > views[3].len) {
        PyErr_SetString(PyExc_ValueError, "there is no room for the lines");
        good = 0;
    }
    for (Py_ssize_t line = 0; good && line < lines; line++) {
        const uint8_t *begin = buffer + start[line], *last = buffer + end[line] - tail;
        int64_t size = end[line] - start[line];
        if (size <= head + tail) {
            out = write_plain(begin, size, out);
        } else {
            out = write_plain(begin, head - cut_character(begin, head), out);
            *out++ = '\n';
            int64_t rest = rest_of_character(last, tail);
            out = write_plain(last + rest, tail - rest, out);
        }
        *out++ = '\n';
        stop[line] = out - text;
    }
    release(views, 5);
    if (!good) return NULL;
    Py_RETURN_NONE;
}
