/* events: the ring. A short lock; nothing is formatted under it. */
#include "engine/events.h"

#include <stdarg.h>
#include <stdio.h>

void lk_event(struct lk_db *db, const char *what, const char *format, ...)
{
    struct lsmkv_event event = {.at_ns = db->env->ops->wall_ns(db->env)};
    va_list arguments;
    snprintf(event.what, sizeof event.what, "%s", what);
    va_start(arguments, format);
    vsnprintf(event.detail, sizeof event.detail, format, arguments);
    va_end(arguments);
    lk_mutex_lock(&db->event_mutex);
    event.number = db->event_count++;
    db->events[event.number % LK_EVENTS] = event;
    lk_mutex_unlock(&db->event_mutex);
}

void lk_event_step(struct lk_db *db, const struct lsmkv_step *did)
{
    lk_event(db, did->what, "%s: %llu bytes in, %llu out, %llu records out, %.1f ms", did->why,
             (unsigned long long)did->bytes_in, (unsigned long long)did->bytes_out,
             (unsigned long long)did->records_out, (double)did->nanoseconds / 1e6);
}
