/* sim_names: the names in a simulated directory: as the kernel has them, as the disk has them, and the
 * operations in between. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_inner.h"

/* ---- lists of names ------------------------------------------------------------------------- */

struct entry *sim_entries_find(const struct entries *entries, const char *name)
{
    for (unsigned i = 0; i < entries->count; i++)
        if (strcmp(entries->at[i].name, name) == 0)
            return &entries->at[i];
    return NULL;
}

void sim_entries_set(struct entries *entries, const char *name, struct inode *inode)
{
    struct entry *entry = sim_entries_find(entries, name);

    if (!inode) {
        if (entry)
            memmove(entry, entry + 1, (size_t)(entries->at + --entries->count - entry) * sizeof *entry);
        return;
    }
    if (!entry) {
        if (entries->count == entries->room) {
            entries->room = entries->room * 2 + 8;
            entries->at = sim_grow(entries->at, entries->room * sizeof *entries->at);
        }
        entry = &entries->at[entries->count++];
        snprintf(entry->name, sizeof entry->name, "%s", name);
    }
    entry->inode = inode;
}

void sim_entries_copy(struct entries *to, const struct entries *from)
{
    to->count = to->room = from->count;
    to->at = NULL;
    if (from->count == 0)
        return;
    to->at = sim_memory(from->count * sizeof *to->at);
    memcpy(to->at, from->at, from->count * sizeof *to->at);
}

/* ---- operations on names -------------------------------------------------------------------- */

static int shares_name(const struct name_op *a, const struct name_op *b)
{
    return strcmp(a->name, b->name) == 0 || (b->what == NAME_RENAME && strcmp(a->name, b->to) == 0) ||
           (a->what == NAME_RENAME &&
            (strcmp(a->to, b->name) == 0 || (b->what == NAME_RENAME && strcmp(a->to, b->to) == 0)));
}

static void apply(struct entries *to, const struct name_op *op)
{
    switch (op->what) {
    case NAME_CREATE:
        sim_entries_set(to, op->name, op->inode);
        break;
    case NAME_REMOVE:
        sim_entries_set(to, op->name, NULL);
        break;
    case NAME_RENAME:
        sim_entries_set(to, op->name, NULL);
        sim_entries_set(to, op->to, op->inode);
        break;
    }
}

void sim_names_apply(struct entries *to, const struct directory *dir, const unsigned char *wanted,
                     unsigned char *applied)
{
    for (unsigned i = 0; i < dir->op_count; i++) {
        applied[i] = wanted[i] != 0;
        for (unsigned j = 0; j < i && applied[i]; j++)
            if (!applied[j] && shares_name(&dir->ops[j], &dir->ops[i]))
                applied[i] = 0;
        if (applied[i])
            apply(to, &dir->ops[i]);
    }
}

void sim_names_change(struct sim *sim, struct directory *dir, enum name_what what, const char *name, const char *to,
                      struct inode *inode)
{
    struct name_op *op;

    if (dir->op_count == dir->op_room) {
        dir->op_room = dir->op_room * 2 + 8;
        dir->ops = sim_grow(dir->ops, dir->op_room * sizeof *dir->ops);
    }
    op = &dir->ops[dir->op_count++];
    memset(op, 0, sizeof *op);
    op->op = sim_next_op(sim);
    op->what = what;
    op->inode = inode;
    snprintf(op->name, sizeof op->name, "%s", name);
    snprintf(op->to, sizeof op->to, "%s", to);
    for (unsigned i = 0; i + 1 < dir->op_count; i++) /* names touched again are written again */
        if (dir->ops[i].state != SECTOR_NORMAL && shares_name(&dir->ops[i], op))
            dir->ops[i].state = SECTOR_NORMAL;
    apply(&dir->now, op);
}

void sim_names_settle(struct directory *dir)
{
    unsigned char *wanted = sim_memory(2 * (size_t)dir->op_count), *applied = wanted + dir->op_count;
    unsigned left = 0;

    for (unsigned i = 0; i < dir->op_count; i++)
        wanted[i] = dir->ops[i].state == SECTOR_NORMAL;
    sim_names_apply(&dir->disk, dir, wanted, applied);
    for (unsigned i = 0; i < dir->op_count; i++)
        if (!applied[i])
            dir->ops[left++] = dir->ops[i];
    dir->op_count = left;
    free(wanted);
}

int sim_name_durable(const struct directory *dir, const char *name)
{
    struct entry *now = sim_entries_find(&dir->now, name), *disk = sim_entries_find(&dir->disk, name);
    struct name_op any = {.what = NAME_REMOVE};

    snprintf(any.name, sizeof any.name, "%s", name);
    for (unsigned i = 0; i < dir->op_count; i++)
        if (dir->ops[i].state != SECTOR_LIED && shares_name(&dir->ops[i], &any))
            return 0;
    if (now && disk && now->inode == disk->inode)
        return 1;
    for (unsigned i = 0; i < dir->op_count; i++) /* believed on the word of a lying sync */
        if (dir->ops[i].state == SECTOR_LIED && shares_name(&dir->ops[i], &any))
            return now != NULL;
    return 0;
}

/* ---- files that nothing reaches --------------------------------------------------------------- */

static void mark(const struct entries *entries)
{
    for (unsigned i = 0; i < entries->count; i++)
        entries->at[i].inode->marked = 1;
}

void sim_collect(struct sim *sim)
{
    struct inode **link = &sim->inodes;

    for (struct inode *inode = sim->inodes; inode; inode = inode->next)
        inode->marked = inode->opens > 0 || inode->maps > 0;
    for (struct directory *dir = sim->directories; dir; dir = dir->next) {
        mark(&dir->now);
        mark(&dir->disk);
        for (unsigned i = 0; i < dir->op_count; i++)
            if (dir->ops[i].inode)
                dir->ops[i].inode->marked = 1;
    }
    while (*link) {
        struct inode *inode = *link;
        if (inode->marked) {
            link = &inode->next;
            continue;
        }
        *link = inode->next;
        sim_inode_free(inode);
    }
    sim->inode_tail = link;
}
