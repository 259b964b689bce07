/* sim_blob: memory of the simulator: content shared by a simulator and its images, and the address
 * ranges of caches.
 *
 * A cache is shared anonymous memory, so that a mapping can be a second address of the same pages: it
 * may be read-only, and touching it after unmap is a fault. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sim/sim_inner.h"

/* ---- blobs ---------------------------------------------------------------------------------- */

static uint64_t round_sectors(uint64_t bytes)
{
    return (bytes + SECTOR - 1) / SECTOR * SECTOR;
}

struct blob *sim_blob_new(uint64_t bytes)
{
    struct blob *blob = sim_memory(sizeof *blob);
    blob->refs = 1;
    blob->bytes = bytes;
    blob->room = round_sectors(bytes);
    blob->at = sim_memory(blob->room);
    return blob;
}

struct blob *sim_blob_ref(struct blob *blob)
{
    blob->refs++;
    return blob;
}

void sim_blob_unref(struct blob *blob)
{
    if (--blob->refs == 0) {
        free(blob->at);
        free(blob);
    }
}

unsigned char *sim_blob_own(struct blob **blob, uint64_t bytes)
{
    struct blob *old = *blob;

    if (old->refs > 1 || old->room < bytes) {
        uint64_t keep = old->bytes < bytes ? old->bytes : bytes;
        struct blob *fresh = sim_blob_new(bytes);
        memcpy(fresh->at, old->at, keep);
        sim_blob_unref(old);
        *blob = fresh;
        return fresh->at;
    }
    if (bytes < old->bytes)
        memset(old->at + bytes, 0, old->bytes - bytes);
    old->bytes = bytes;
    old->hashed = 0;
    return old->at;
}

uint64_t sim_blob_hash(struct blob *blob)
{
    uint64_t hash = sim_mix(blob->bytes), word;

    if (blob->hashed)
        return blob->hash;
    for (uint64_t i = 0; i < blob->room; i += sizeof word) {
        memcpy(&word, blob->at + i, sizeof word);
        hash = (hash ^ word) * 0x9E3779B97F4A7C15ull;
        hash ^= hash >> 29;
    }
    blob->hash = sim_mix(hash);
    blob->hashed = 1;
    return blob->hash;
}

/* ---- cache memory --------------------------------------------------------------------------- */

/* Images come and go by the thousand: their address ranges are kept, with their pages. Per thread. */
static _Thread_local struct {
    unsigned char *at;
    uint64_t room;
} spare[32];
static _Thread_local unsigned spare_count;

#define SPARE_BYTES (1u << 20) /* a range with more pages than that is not worth keeping */

unsigned char *sim_range_take(uint64_t room)
{
    void *at;

    for (unsigned i = 0; i < spare_count; i++)
        if (spare[i].room == room) {
            at = spare[i].at;
            spare[i] = spare[--spare_count];
            return at;
        }
    at = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        abort();
    return at;
}

void sim_range_give(unsigned char *at, uint64_t room, uint64_t touched)
{
    if (touched > SPARE_BYTES || spare_count == sizeof spare / sizeof spare[0]) {
        munmap(at, room);
        return;
    }
    memset(at, 0, touched);
    spare[spare_count].at = at;
    spare[spare_count++].room = room;
}
