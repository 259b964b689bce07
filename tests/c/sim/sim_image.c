/* sim_image: from the state of a simulator to a new one that holds a legal crash image of it.
 *
 * Files without anything undecided share their content with the original; images are cheap. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_inner.h"

/* ---- names ---------------------------------------------------------------------------------- */

static struct directory *add_directory(struct sim *image, const struct directory *from)
{
    struct directory *dir = sim_directory(image, from->path, 1);
    dir->number = from->number;
    dir->exists = dir->disk_exists = 1;
    return dir;
}

/* Decide the directory; its entries still mean the original's files. */
static void build_directory(struct plan *plan, struct sim *image, const struct directory *from)
{
    unsigned char *wanted = sim_memory(2 * (size_t)from->op_count), *applied = wanted + from->op_count;
    int exists = from->exists;

    if (from->exists != from->disk_exists && !sim_plan_directory(plan, from))
        exists = from->disk_exists;
    for (unsigned i = 0; i < from->op_count; i++)
        wanted[i] = (unsigned char)sim_plan_name(plan, &from->ops[i]);
    if (exists) {
        struct directory *dir = add_directory(image, from);
        sim_entries_copy(&dir->disk, &from->disk);
        sim_names_apply(&dir->disk, from, wanted, applied);
    }
    free(wanted);
}

static void point_to_twins(struct directory *dir)
{
    for (unsigned i = 0; i < dir->disk.count; i++)
        dir->disk.at[i].inode = dir->disk.at[i].inode->twin;
    sim_entries_copy(&dir->now, &dir->disk);
}

/* ---- content -------------------------------------------------------------------------------- */

/* Space that got its length but never its bytes: what the medium happened to hold. */
static void fill_rubbish(const struct plan *plan, const struct inode *from, struct blob *blob)
{
    uint64_t start = (from->disk->bytes + SECTOR - 1) / SECTOR * SECTOR; /* a sector's own tail is zero */
    const struct inode *other = NULL;

    if (start < from->reserved_end)
        start = from->reserved_end;
    for (const struct inode *each = plan->sim->inodes; each && plan->rubbish == 2; each = each->next)
        if (each != from && each->type == SIM_FILE && each->disk->bytes > start &&
            (!other || sim_mix(plan->seed ^ each->number) % 2))
            other = each;
    for (uint64_t at = start; at < blob->bytes; at++)
        blob->at[at] = other ? (at < other->disk->bytes ? other->disk->at[at] : 0)
                             : (unsigned char)(sim_mix(plan->argument ^ at / 8) >> at % 8 * 8);
}

/* Some 8-byte words of the version, the others from the content before it. */
static void blend_words(const struct plan *plan, const struct version *v, const unsigned char *before, uint64_t key,
                        unsigned char *to)
{
    uint64_t dice = sim_mix(plan->seed ^ key ^ v->op), mask = sim_mix(dice);

    if (dice % 4 < 2)
        mask = ~0ull << (dice >> 8) % 64;
    if (dice % 4 == 0)
        mask = ~mask;
    for (unsigned i = 0; i < SECTOR / 8; i++)
        memcpy(to + i * 8, (mask >> i & 1 ? v->bytes : before) + i * 8, 8);
}

static void put_sector(const struct plan *plan, const struct inode *from, uint64_t number, const struct version *v,
                       int blend, struct blob *blob)
{
    uint64_t at = number * SECTOR, rest = blob->bytes > at ? blob->bytes - at : 0;
    unsigned char mixed[SECTOR];
    const unsigned char *bytes = v->bytes;

    if (blend) {
        const unsigned char *before = v->older ? v->older->bytes : sim_inode_disk_sector(from, number);
        blend_words(plan, v, before, number, mixed);
        bytes = mixed;
    }
    memcpy(blob->at + at, bytes, rest < SECTOR ? rest : SECTOR);
}

static struct blob *build_content(struct plan *plan, struct inode *from)
{
    struct blob *blob;
    uint64_t size = from->disk->bytes;

    if (from->step_count == 0 && from->dirty == 0)
        return sim_blob_ref(from->disk);
    if (from->step_count > 0)
        size = sim_plan_size(plan, from);
    blob = sim_blob_new(size);
    memcpy(blob->at, from->disk->at, size < from->disk->bytes ? size : from->disk->bytes);
    if (plan->rubbish)
        fill_rubbish(plan, from, blob);
    for (uint64_t i = 0; from->dirty && i < from->sector_count; i++) {
        const struct version *v;
        int blend;
        if (!from->sectors[i].newest)
            continue;
        v = sim_plan_sector(plan, from, i, &blend);
        if (v && i * SECTOR < size)
            put_sector(plan, from, i, v, blend, blob);
    }
    return blob;
}

static void build_file(struct plan *plan, struct sim *image, struct inode *from, int wanted)
{
    struct inode *to;

    if (!wanted) { /* the numbers of the items do not depend on the answers */
        if (sim_plan_counts(from))
            plan->item += (from->step_count > 0) + from->dirty;
        return;
    }
    to = sim_inode_new(image, from->type);
    to->number = from->number;
    to->was_lock = from->was_lock;
    sim_blob_unref(to->disk);
    to->disk = sim_plan_counts(from) ? build_content(plan, from) : sim_blob_ref(from->disk);
    to->size = to->disk->bytes;
    to->reserved_end = from->reserved_end < to->size ? from->reserved_end : to->size;
    from->twin = to;
}

/* ---- images --------------------------------------------------------------------------------- */

static struct sim *new_image(const struct sim *sim)
{
    struct sim_config config = sim->config;
    struct sim *image;

    config.seed = sim->random_state;
    image = sim_new(&config);
    image->clock_ns = sim->clock_ns;
    image->numbers = sim->numbers;
    image->op = sim->op;
    return image;
}

struct sim *sim_image(struct sim *sim, enum sim_how how, uint64_t argument)
{
    static const char *const names[SIM_HOWS] = {"NOTHING", "EVERYTHING", "DROP",     "ONLY",  "PREFIX",
                                                "TORN",    "LENGTHS",    "CONTENTS", "NAMES", "MIXED"};
    struct plan plan;
    struct sim *image;

    if (!sim_plan_init(&plan, sim, how, argument))
        return NULL;
    image = new_image(sim);
    snprintf(image->image_name, sizeof image->image_name, "%s %" PRIu64, names[how], argument);
    for (struct directory *dir = sim->directories; dir; dir = dir->next)
        build_directory(&plan, image, dir);
    for (struct inode *inode = sim->inodes; inode; inode = inode->next)
        inode->twin = NULL;
    for (struct directory *dir = image->directories; dir; dir = dir->next)
        for (unsigned i = 0; i < dir->disk.count; i++)
            dir->disk.at[i].inode->twin = dir->disk.at[i].inode; /* any mark: this file is wanted */
    for (struct inode *inode = sim->inodes; inode; inode = inode->next)
        build_file(&plan, image, inode, inode->twin != NULL);
    for (struct directory *dir = image->directories; dir; dir = dir->next)
        point_to_twins(dir);
    return image;
}

uint64_t sim_image_systematic(struct sim *sim)
{
    uint64_t count = 0;
    for (int how = 0; how < SIM_MIXED; how++)
        count += sim_image_count(sim, (enum sim_how)how);
    return count;
}

struct sim *sim_image_at(struct sim *sim, uint64_t index, uint64_t seed)
{
    uint64_t left = index;
    for (int how = 0; how < SIM_MIXED; how++) {
        uint64_t count = sim_image_count(sim, (enum sim_how)how);
        if (left < count)
            return sim_image(sim, (enum sim_how)how, left);
        left -= count;
    }
    return sim_image(sim, SIM_MIXED, (seed + index) & INT64_MAX);
}

/* ---- kill ----------------------------------------------------------------------------------- */

static void copy_directory(struct sim *image, const struct directory *from)
{
    struct directory *dir = sim_directory(image, from->path, 1);

    dir->number = from->number;
    dir->exists = from->exists;
    dir->disk_exists = from->disk_exists;
    dir->made_op = from->made_op;
    dir->late_errno = from->late_errno;
    sim_entries_copy(&dir->disk, &from->disk);
    sim_entries_copy(&dir->now, &from->now);
    dir->op_count = dir->op_room = from->op_count;
    dir->ops = sim_memory(from->op_count * sizeof *dir->ops);
    if (from->op_count)
        memcpy(dir->ops, from->ops, from->op_count * sizeof *dir->ops);
    for (unsigned i = 0; i < dir->disk.count; i++)
        dir->disk.at[i].inode = dir->disk.at[i].inode->twin;
    for (unsigned i = 0; i < dir->now.count; i++)
        dir->now.at[i].inode = dir->now.at[i].inode->twin;
    for (unsigned i = 0; i < dir->op_count; i++)
        dir->ops[i].inode = dir->ops[i].inode->twin;
}

struct sim *sim_kill_image(struct sim *sim)
{
    struct sim *image = new_image(sim);

    sim_capture(sim);
    snprintf(image->image_name, sizeof image->image_name, "KILL");
    for (struct inode *inode = sim->inodes; inode; inode = inode->next) {
        inode->twin = sim_inode_new(image, inode->type);
        sim_inode_copy_pending(inode->twin, inode);
    }
    for (struct directory *dir = sim->directories; dir; dir = dir->next)
        copy_directory(image, dir);
    image->op = sim->op;
    sim_collect(image);
    return image;
}

/* ---- hash ----------------------------------------------------------------------------------- */

static uint64_t hash_bytes(const unsigned char *at, uint64_t bytes, uint64_t hash)
{
    for (uint64_t i = 0; i < bytes; i++)
        hash = (hash ^ at[i]) * 0x100000001B3ull;
    return sim_mix(hash);
}

static uint64_t hash_file(struct inode *inode)
{
    struct blob *copy;
    uint64_t hash;

    if (!inode->cache && inode->dirty == 0 && inode->step_count == 0)
        return sim_blob_hash(inode->disk);
    copy = sim_blob_new(inode->size);
    if (inode->size)
        memcpy(copy->at, sim_inode_bytes(inode), inode->size);
    hash = sim_blob_hash(copy);
    sim_blob_unref(copy);
    return hash;
}

/* A sum, so that the order of names does not matter. */
uint64_t sim_image_hash(struct sim *sim)
{
    uint64_t sum = 0;

    for (struct directory *dir = sim->directories; dir; dir = dir->next) {
        uint64_t path = hash_bytes((const unsigned char *)dir->path, strlen(dir->path), 1);
        if (!dir->exists)
            continue;
        sum += path;
        for (unsigned i = 0; i < dir->now.count; i++) {
            const struct entry *entry = &dir->now.at[i];
            if (!entry->inode->was_lock)
                sum += sim_mix(hash_bytes((const unsigned char *)entry->name, strlen(entry->name), path) ^
                               hash_file(entry->inode) ^ (uint64_t)entry->inode->type);
        }
    }
    return sum;
}
