/* The rows of the line model's table of features; tests hold them against the names in Python. */

#ifndef PIPELINE_ROWS_H
#define PIPELINE_ROWS_H

/* Of a line by itself and in its document: `features.OWN`. */
enum {
    LENGTH, WORD_COUNT, SHARES, SENTENCES = SHARES + 6, MARKS, END = MARKS + 8, QUOTED_STOP = END + 9, QUOTED_ASK,
    START, FROM_FIRST = START + 6, TO_LAST, SHARE_BEFORE, BYTES_BEFORE, BYTES_AFTER, PROSE_BEFORE, PROSE_AFTER,
    GAP_BEFORE, GAP_AFTER, LINE_COUNT, MEAN_LENGTH, PROSE_SHARE, PROSE_BYTES, ENDED_SHARE, COPY_BEFORE, COPY_AFTER,
    COPIES, NAMES_SHARED, NAMES_ALONE, NAMES_EARLY, TOPICS_SHARED, TOPICS_ALONE, RUN_OF_SHORT, LONGER_THAN_LAST,
    LONGER_THAN_NEXT, STARTS_AS_LAST, STARTS_AS_NEXT, ENDS_AS_LAST, ENDS_AS_NEXT, OWN_ROWS
};

/* What its words speak for: `neighbours.HEADS`. Then whether it ends as a sentence does, and rows made of all these. */
enum { JUNK = OWN_ROWS, ASK, RELATED, NAVIGATION, CAPTION, COMMENT, DATE, NOTE, ENDED, SHIFTED, ALL_ROWS = 164 };

#endif
