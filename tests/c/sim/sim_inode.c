/* sim_inode: one file of the simulated disk. See sim_inner.h for the picture and the invariants. */
#include <stdlib.h>
#include <string.h>

#include "sim/sim_inner.h"

/* ---- life ----------------------------------------------------------------------------------- */

struct inode *sim_inode_new(struct sim *sim, enum sim_type type)
{
    struct inode *inode = sim_memory(sizeof *inode);
    inode->sim = sim;
    inode->number = ++sim->numbers;
    inode->type = type;
    inode->disk = sim_blob_new(0);
    *sim->inode_tail = inode;
    sim->inode_tail = &inode->next;
    return inode;
}

static void free_chain(struct inode *inode, struct sector *sector)
{
    inode->dirty -= sector->newest != NULL;
    while (sector->newest) {
        struct version *older = sector->newest->older;
        free(sector->newest);
        sector->newest = older;
    }
    sector->state = SECTOR_NORMAL;
}

/* The caller has taken it out of the list. */
void sim_inode_free(struct inode *inode)
{
    for (uint64_t i = 0; i < inode->sector_count; i++)
        free_chain(inode, &inode->sectors[i]);
    if (inode->cache)
        sim_range_give(inode->cache, inode->sim->config.file_bytes, inode->touched);
    sim_blob_unref(inode->disk);
    if (inode->told)
        sim_blob_unref(inode->told);
    free(inode->sectors);
    free(inode);
}

/* ---- content -------------------------------------------------------------------------------- */

const unsigned char *sim_inode_disk_sector(const struct inode *inode, uint64_t sector)
{
    static const unsigned char zeros[SECTOR];
    uint64_t at = sector * SECTOR;
    return at + SECTOR <= inode->disk->room ? inode->disk->at + at : zeros;
}

static const unsigned char *recorded(const struct inode *inode, uint64_t sector)
{
    if (sector < inode->sector_count && inode->sectors[sector].newest)
        return inode->sectors[sector].newest->bytes;
    return sim_inode_disk_sector(inode, sector);
}

/* Up to the end of the last page: a mapping may store there. */
static void note_touched(struct inode *inode)
{
    uint64_t end = (inode->size + SIM_PAGE - 1) / SIM_PAGE * SIM_PAGE, room = inode->sim->config.file_bytes;
    if (end > room)
        end = room;
    if (end > inode->touched)
        inode->touched = end;
}

unsigned char *sim_inode_cache(struct inode *inode)
{
    if (inode->cache)
        return inode->cache;
    inode->cache = sim_range_take(inode->sim->config.file_bytes);
    note_touched(inode);
    memcpy(inode->cache, inode->disk->at, inode->size < inode->disk->bytes ? inode->size : inode->disk->bytes);
    for (uint64_t i = 0; inode->dirty && i < inode->sector_count && i * SECTOR < inode->size; i++) {
        uint64_t rest = inode->size - i * SECTOR;
        if (inode->sectors[i].newest)
            memcpy(inode->cache + i * SECTOR, inode->sectors[i].newest->bytes, rest < SECTOR ? rest : SECTOR);
    }
    return inode->cache;
}

const unsigned char *sim_inode_bytes(struct inode *inode)
{
    if (!inode->cache && inode->dirty == 0 && inode->size <= inode->disk->room)
        return inode->disk->at;
    return sim_inode_cache(inode);
}

/* A page that is written to again is dirty again: the sync that passed it by is forgotten. */
static void revive_page(struct inode *inode, uint64_t sector)
{
    uint64_t from = sector / (SIM_PAGE / SECTOR) * (SIM_PAGE / SECTOR), to = from + SIM_PAGE / SECTOR;
    for (uint64_t i = from; i < to && i < inode->sector_count; i++)
        inode->sectors[i].state = SECTOR_NORMAL;
}

/* Keep the newest and spread the rest: drop the one after the newest. */
static void thin_chain(struct sector *sector)
{
    unsigned count = 0;
    struct version *drop;

    for (struct version *v = sector->newest; v; v = v->older)
        count++;
    if (count <= VERSIONS_MAX)
        return;
    drop = sector->newest->older;
    sector->newest->older = drop->older;
    free(drop);
}

static void push_version(struct inode *inode, uint64_t sector, const unsigned char *bytes, uint64_t op, int stored)
{
    struct version *version = malloc(sizeof *version);

    if (!version)
        abort();
    if (sector >= inode->sector_count) {
        uint64_t count = sector + 1 + sector / 2 + 8;
        inode->sectors = sim_grow(inode->sectors, count * sizeof *inode->sectors);
        memset(inode->sectors + inode->sector_count, 0, (count - inode->sector_count) * sizeof *inode->sectors);
        inode->sector_count = count;
    }
    revive_page(inode, sector);
    memcpy(version->bytes, bytes, SECTOR);
    version->op = op;
    version->stored = stored;
    version->older = inode->sectors[sector].newest;
    inode->dirty += version->older == NULL;
    inode->sectors[sector].newest = version;
    thin_chain(&inode->sectors[sector]);
}

/* Record what the cache holds in [from, to) and what differs from the last record of it. */
static void record(struct inode *inode, uint64_t from, uint64_t to, int stored)
{
    uint64_t op = 0;

    for (uint64_t sector = from / SECTOR; sector * SECTOR < to; sector++) {
        unsigned char bytes[SECTOR];
        const unsigned char *now = inode->cache + sector * SECTOR;
        uint64_t rest = inode->size > sector * SECTOR ? inode->size - sector * SECTOR : 0;

        if (rest < SECTOR) { /* what lies beyond the end never reaches the disk */
            memcpy(bytes, now, rest);
            memset(bytes + rest, 0, SECTOR - rest);
            now = bytes;
        }
        if (memcmp(now, recorded(inode, sector), SECTOR) == 0)
            continue;
        if (op == 0)
            op = sim_next_op(inode->sim);
        push_version(inode, sector, now, op, stored);
    }
}

void sim_inode_capture(struct inode *inode, int stored)
{
    if (inode->cache)
        record(inode, 0, inode->size, stored);
}

static void push_step(struct inode *inode)
{
    struct step step = {.op = sim_next_op(inode->sim), .size = inode->size};

    if (inode->step_count == STEPS_MAX) /* the middle ones matter least */
        memmove(&inode->steps[STEPS_MAX / 2], &inode->steps[STEPS_MAX / 2 + 1],
                (--inode->step_count - STEPS_MAX / 2) * sizeof step);
    inode->steps[inode->step_count++] = step;
}

void sim_inode_resize(struct inode *inode, uint64_t size)
{
    uint64_t old = inode->size;
    unsigned char *cache = sim_inode_cache(inode);

    if (size == old)
        return;
    if (inode->writable_maps)
        sim_inode_capture(inode, 1);
    if (size > old) /* what a mapping stored in the last page beyond the end is lost */
        memset(cache + old, 0, (SIM_PAGE - old % SIM_PAGE) % SIM_PAGE);
    else
        memset(cache + size, 0, old - size);
    inode->size = size;
    note_touched(inode);
    push_step(inode);
    if (size < old)
        record(inode, size, old, 0);
    sim_area_protect(inode);
}

void sim_inode_write(struct inode *inode, uint64_t offset, const void *from, uint64_t bytes)
{
    unsigned char *cache = sim_inode_cache(inode);

    if (bytes == 0)
        return;
    if (offset + bytes > inode->size)
        sim_inode_resize(inode, offset + bytes);
    memcpy(cache + offset, from, bytes);
    for (uint64_t at = offset; at < offset + bytes; at += SECTOR)
        revive_page(inode, at / SECTOR);
    revive_page(inode, (offset + bytes - 1) / SECTOR);
    record(inode, offset, offset + bytes, 0);
}

/* ---- syncs ---------------------------------------------------------------------------------- */

static void settle_sectors(struct inode *inode, uint64_t from, uint64_t to)
{
    unsigned char *disk;

    if (inode->dirty == 0)
        return;
    disk = sim_blob_own(&inode->disk, inode->disk->bytes);
    for (uint64_t i = from; i < to && i < inode->sector_count; i++) {
        struct sector *sector = &inode->sectors[i];
        uint64_t rest = inode->disk->bytes > i * SECTOR ? inode->disk->bytes - i * SECTOR : 0;

        if (!sector->newest || sector->state != SECTOR_NORMAL)
            continue;
        memcpy(disk + i * SECTOR, sector->newest->bytes, rest < SECTOR ? rest : SECTOR);
        free_chain(inode, sector);
    }
}

void sim_inode_sync(struct inode *inode)
{
    sim_inode_capture(inode, 1);
    if (inode->disk->bytes != inode->size)
        sim_blob_own(&inode->disk, inode->size);
    inode->step_count = 0;
    settle_sectors(inode, 0, inode->sector_count);
}

/* A length that covers `end` is certain; the lengths up to it are history. */
static void settle_length(struct inode *inode, uint64_t end)
{
    unsigned i = 0;

    if (end > inode->size)
        end = inode->size;
    if (end <= inode->disk->bytes)
        return;
    sim_blob_own(&inode->disk, end);
    while (i < inode->step_count && inode->steps[i].size <= end)
        i++;
    memmove(inode->steps, inode->steps + i, (inode->step_count - i) * sizeof inode->steps[0]);
    inode->step_count -= i;
}

void sim_inode_sync_range(struct inode *inode, uint64_t offset, uint64_t bytes)
{
    uint64_t from = offset / SIM_PAGE * SIM_PAGE, to = (offset + bytes + SIM_PAGE - 1) / SIM_PAGE * SIM_PAGE;

    sim_inode_capture(inode, 1);
    settle_length(inode, to);
    settle_sectors(inode, from / SECTOR, to / SECTOR);
}

static void revert_sector(struct inode *inode, uint64_t i)
{
    uint64_t rest = inode->size > i * SECTOR ? inode->size - i * SECTOR : 0;
    unsigned char *cache = sim_inode_cache(inode);

    free_chain(inode, &inode->sectors[i]);
    memcpy(cache + i * SECTOR, sim_inode_disk_sector(inode, i), rest < SECTOR ? rest : SECTOR);
}

/* A sync of [from, to) lies: remember what was called durable. */
static void believe(struct inode *inode, uint64_t from, uint64_t to)
{
    uint64_t end = to < inode->size ? to : inode->size;
    unsigned char *told;

    if (!inode->told)
        inode->told = sim_blob_ref(inode->disk);
    told = sim_blob_own(&inode->told, end > inode->told->bytes ? end : inode->told->bytes);
    if (end > from)
        memcpy(told + from, sim_inode_bytes(inode) + from, end - from);
}

void sim_inode_fail_sync(struct inode *inode, uint64_t offset, uint64_t bytes, enum sim_kernel kernel)
{
    uint64_t from = offset / SIM_PAGE * (SIM_PAGE / SECTOR), to = inode->sector_count;

    sim_inode_capture(inode, 1);
    if (bytes != UINT64_MAX && (offset + bytes + SIM_PAGE - 1) / SIM_PAGE * (SIM_PAGE / SECTOR) < to)
        to = (offset + bytes + SIM_PAGE - 1) / SIM_PAGE * (SIM_PAGE / SECTOR);
    for (uint64_t i = from; i < to; i++) {
        if (!inode->sectors[i].newest)
            continue;
        if (kernel == SIM_REVERTED)
            revert_sector(inode, i);
        else
            inode->sectors[i].state = kernel == SIM_LATE ? SECTOR_LIED : SECTOR_LOST;
    }
    if (kernel == SIM_LATE)
        believe(inode, from * SECTOR, bytes == UINT64_MAX ? inode->size : to * SECTOR);
}

/* 1 when the blob begins at `at` with these bytes. */
static int holds(const struct blob *blob, uint64_t at, const unsigned char *bytes, uint64_t count)
{
    return blob && at + count <= blob->room && memcmp(blob->at + at, bytes, count) == 0;
}

int sim_inode_durable(struct inode *inode, uint64_t bytes)
{
    sim_inode_capture(inode, 1);
    if (bytes > inode->size || (bytes > inode->disk->bytes && !(inode->told && bytes <= inode->told->bytes)))
        return 0;
    for (uint64_t i = 0; i * SECTOR < bytes && i < inode->sector_count; i++) {
        const struct version *newest = inode->sectors[i].newest;
        uint64_t rest = bytes - i * SECTOR < SECTOR ? bytes - i * SECTOR : SECTOR;

        if (newest && memcmp(newest->bytes, sim_inode_disk_sector(inode, i), rest) != 0 &&
            !holds(inode->told, i * SECTOR, newest->bytes, rest))
            return 0;
    }
    return 1;
}

void sim_inode_settle(struct inode *inode)
{
    for (uint64_t i = 0; i < inode->sector_count; i++)
        inode->sectors[i].state = SECTOR_NORMAL;
    sim_inode_sync(inode);
}

/* ---- copies --------------------------------------------------------------------------------- */

static struct version *copy_chain(const struct version *from)
{
    struct version *first = NULL, **tail = &first;
    for (; from; from = from->older) {
        *tail = sim_memory(sizeof **tail);
        **tail = *from;
        (*tail)->older = NULL;
        tail = &(*tail)->older;
    }
    return first;
}

/* Everything but handles: disk shared, versions copied, the cache made again when it is needed. */
void sim_inode_copy_pending(struct inode *to, const struct inode *from)
{
    sim_blob_unref(to->disk);
    to->disk = sim_blob_ref(from->disk);
    to->number = from->number;
    to->type = from->type;
    to->was_lock = from->was_lock;
    to->size = from->size;
    to->dirty = from->dirty;
    to->step_count = from->step_count;
    memcpy(to->steps, from->steps, sizeof to->steps);
    to->reserved_end = from->reserved_end;
    to->late_errno = from->late_errno;
    to->told = from->told ? sim_blob_ref(from->told) : NULL;
    to->sector_count = from->sector_count;
    to->sectors = sim_memory(from->sector_count * sizeof *to->sectors);
    for (uint64_t i = 0; i < from->sector_count; i++) {
        to->sectors[i].state = from->sectors[i].state;
        to->sectors[i].newest = copy_chain(from->sectors[i].newest);
    }
}
