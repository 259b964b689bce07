/* iter_chunk: one block of bytes, one array of slices into it; both grow and are used again. */
#include "py/iter_chunk.h"

#include <string.h>

struct lsm_chunk *lsm_chunk_new(void)
{
    return PyMem_Calloc(1, sizeof(struct lsm_chunk));
}

void lsm_chunk_free(struct lsm_chunk *chunk)
{
    if (!chunk)
        return;
    PyMem_Free(chunk->pairs);
    PyMem_Free(chunk->bytes);
    PyMem_Free(chunk);
}

size_t lsm_chunk_bytes(const struct lsmkv_pair *pairs, size_t count, int kind)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += (kind != LSM_VALUES ? pairs[i].key.size : 0) + (kind != LSM_KEYS ? pairs[i].value.size : 0);
    return bytes;
}

int lsm_chunk_reserve(struct lsm_chunk *chunk, size_t bytes, size_t pairs)
{
    if (bytes > chunk->bytes_room) {
        char *grown = PyMem_Realloc(chunk->bytes, bytes);
        if (!grown)
            return -1;
        chunk->bytes = grown;
        chunk->bytes_room = bytes;
    }
    if (pairs > chunk->pairs_room) {
        struct lsmkv_pair *grown = PyMem_Realloc(chunk->pairs, pairs * sizeof *grown);
        if (!grown)
            return -1;
        chunk->pairs = grown;
        chunk->pairs_room = pairs;
    }
    return 0;
}

static char *copy(char *to, struct lsmkv_slice from, struct lsmkv_slice *slice)
{
    if (from.size)
        memcpy(to, from.data, from.size);
    *slice = (struct lsmkv_slice){to, from.size};
    return to + from.size;
}

void lsm_chunk_copy(struct lsm_chunk *chunk, const struct lsmkv_pair *pairs, size_t count, int kind)
{
    char *to = chunk->bytes;
    for (size_t i = 0; i < count; i++) {
        if (kind != LSM_VALUES)
            to = copy(to, pairs[i].key, &chunk->pairs[i].key);
        if (kind != LSM_KEYS)
            to = copy(to, pairs[i].value, &chunk->pairs[i].value);
    }
}
