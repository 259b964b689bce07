/* beyond: a store larger than the memory that its process may have, values included.
 *
 * There whatever comes into memory pushes something out, so what flushes and merges bring does not stay:
 *
 *   a merge's inputs     leave as it passes them          (store/table_walk.c)
 *   a merge's outputs    leave as they are written        (store/table_output.c)
 *   a flush's outputs    leave when the next job begins: what is newest is often read, and who reads has until then
 *
 * Pages that a mapping shows stay, for somebody has looked at them; so do fences and lines. Nothing of a store that fits
 * leaves: it would be read back, by 4 KiB. Only the system's memory is meant, never a byte of a file. */
#ifndef LK_ENGINE_BEYOND_H
#define LK_ENGINE_BEYOND_H

#include "engine/db.h"

/* Is the store so large? Then what the last flush wrote leaves. work_mutex held. */
int lk_beyond_memory(struct lk_db *db);

#endif
