/* events: a bounded ring of what the engine did, for whoever asks. No callbacks. Any thread. */
#ifndef LK_ENGINE_EVENTS_H
#define LK_ENGINE_EVENTS_H

#include "engine/db.h"

void lk_event(struct lk_db *db, const char *what, const char *format, ...) LK_PRINTF(3, 4);
/* A job, or a part of one, was done. */
void lk_event_step(struct lk_db *db, const struct lsmkv_step *did);

#endif
