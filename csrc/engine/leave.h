/* leave: a reader lets go of a version. The last one to do so may hold tables that were merged away long ago, and to
 * unmap and remove those takes long, and to close a file may: so the keeper does it, and whoever ends a snapshot or an
 * iterator, perhaps with the interpreter lock held, touches memory only. Without a keeper (threads=0, or the engine
 * stops) it is done at once. */
#ifndef LK_ENGINE_LEAVE_H
#define LK_ENGINE_LEAVE_H

#include "engine/read.h"

/* lk_snapshot_drop for readers outside the engine. */
void lk_leave_snapshot(struct lk_snapshot *snapshot);

/* Close a file that a reader had opened for itself. Takes it. */
void lk_leave_file(struct lk_db *db, struct lk_file *file);

/* The keeper's part, and the end of the engine's: free and close what was left. No lock held. */
void lk_leave_free(struct lk_db *db);

#endif
