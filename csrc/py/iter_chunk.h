/* iter_chunk: some pairs of a scan, copied as they are stored, to be decoded one by one.
 *
 *   pairs[]  key, value slices into:   bytes  | key value key value ... |
 *
 * Raw memory, no Python objects: it may be filled without the interpreter lock. One user at a time. */
#ifndef LSM_PY_ITER_CHUNK_H
#define LSM_PY_ITER_CHUNK_H

#include "py/iter_type.h"

struct lsm_chunk {
    struct lsmkv_pair *pairs; /* owned array; slices into `bytes` */
    char *bytes;              /* owned */
    size_t pairs_room, bytes_room;
};

struct lsm_chunk *lsm_chunk_new(void); /* NULL: memory ran out, no exception is set */
void lsm_chunk_free(struct lsm_chunk *chunk);

/* Bytes that copying the parts of `kind` (LSM_KEYS, LSM_VALUES, LSM_ITEMS) takes. */
size_t lsm_chunk_bytes(const struct lsmkv_pair *pairs, size_t count, int kind);
int lsm_chunk_reserve(struct lsm_chunk *chunk, size_t bytes, size_t pairs); /* 0, or -1 without an exception */
void lsm_chunk_copy(struct lsm_chunk *chunk, const struct lsmkv_pair *pairs, size_t count, int kind);

#endif
