/* slice: the stretches of the key space into which all runs can be cut without cutting a table.
 *
 *      run 3 (newest)   |  ###   |  ###  |  ####  |            a flush ends its tables where the bottom's end
 *      run 2            |  ####  |  ###########   |            (engine/rewrite.h), so most of them are slices
 *      run 1 (bottom)   | ###### | ##### | ###### |
 *                       '-slice--'-----slice------'
 *
 * Why. Where overwriting is even, merging everything each time a quarter is garbage writes each byte four times. Merging
 * one slice whenever the store as a whole is over its limit lets that slice's garbage grow to twice the average before it
 * is its turn: half as much is written, and the store holds the same. Where overwriting is not even, the slices
 * that nobody writes to stay as they are. (The rolling merge of O'Neil et al., The log-structured merge-tree, 1996, which goes by
 * turns; here the slice that has most to give is next.) The figures are in docs/design-notes.md.
 *
 * Pure; any thread that holds the version. */
#ifndef LK_ENGINE_SLICE_H
#define LK_ENGINE_SLICE_H

#include "engine/planner.h"
#include "engine/version.h"

/* Note in the shape how many slices there are, none smaller than `least` bytes over all runs but perhaps the last, and the
 * one of which the largest part is garbage. Larger ones than `most` do not count: a step makes all of one. */
void lk_slice_find(const struct lk_version *version, uint64_t least, uint64_t most, struct lk_shape *shape);

#endif
