/* namespace: making, finding, dropping and listing them. A namespace is a name in the catalog (format/catalog.h) and
 * an interval of keys (format/space.h).
 *
 *   open      catalog record there?  --yes-->  a handle on its interval
 *                    |no, and wanted
 *                    one batch { the name's record, the next number }
 *   drop      close every handle on it, then one batch { range delete of the interval, delete of the name }
 *
 * Both go on under namespace_mutex, so two who make one name get one number, and nobody opens what is being
 * dropped. A number is given out in the batch that makes the name: after a crash either both are there or neither
 * is, and then nothing was written under it. Numbers are never used again, so whatever a crash leaves of a dropped
 * namespace stays unseen. */
#ifndef LK_ENGINE_NAMESPACE_H
#define LK_ENGINE_NAMESPACE_H

#include "engine/handle.h"
#include "format/codec_name.h"

struct lk_namespace_wish {
    struct lk_slice name;        /* sound; borrowed, like the codec names */
    struct lk_codec_names codecs;
    uint64_t ttl_ms;
    int make;                    /* when it is not there */
};

/* `through` is entered, and on no namespace (lk_handle_enter_store). *out: a handle on the namespace, owned. 0;
 * NOTFOUND; MISMATCH; FULL when no number is left; and what reading and writing may answer. */
LK_MUST_CHECK int lk_namespace_open(struct lsmkv *through, const struct lk_namespace_wish *wish, struct lsmkv **out);
/* 0 or NOTFOUND. Handles on it are closed also when the write fails then. */
LK_MUST_CHECK int lk_namespace_drop(struct lsmkv *through, struct lk_slice name, int sync);

/* All of them in the order of their names; lsmkv_namespaces_free. */
LK_MUST_CHECK int lk_namespace_list(struct lk_db *db, struct lsmkv_namespace_info **out, size_t *count);

#endif
