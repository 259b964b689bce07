/* sim_order: the order checker. It is always on.
 *
 *  1. A synced write is acknowledged (LK_NOTE_ACK_SYNCED, LSN a): its segment up to a, all earlier
 *     segments that still exist, and the names of all of them, are durable.
 *  2. A segment becomes active (LK_NOTE_SEGMENT_NEW): its name is durable.
 *  3. An edit is about to name a table (LK_NOTE_EDIT_NAMES): content and name of the table are
 *     durable, and the segments that still exist are, up to the LSN it speaks of.
 *  4. An edit is said to be durable (LK_NOTE_EDIT_DURABLE): the newest manifest is, with its name.
 *  5. A file is unlinked after LK_NOTE_REMOVE, or a manifest is: CURRENT and the newest manifest are
 *     durable, with their names, and no edit is under way. Removing a table that the edit under way
 *     names gives that edit up; then too nothing of it may be in a manifest that is not durable.
 *  6. A file is renamed to CURRENT: its content, and the manifest it names, are durable; when it names
 *     none that exists, every manifest is.
 *
 * Segments below the number of LK_NOTE_LOG_BEGINS stand in durable tables; readers may keep their files a while.
 *
 * Files are found by name in every directory; a rule holds when it holds in one that has the file.
 * Zeros at the end of a segment are no records: they need not be durable. A segment that was rightly
 * removed is in its tables: an acknowledgement may still speak of it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_inner.h"

/* ---- names ---------------------------------------------------------------------------------- */

/* The number in "%06u<suffix>", or 0. */
static uint64_t number_of(const char *name, const char *suffix)
{
    char *end;
    uint64_t number;

    if (name[0] < '0' || name[0] > '9')
        return 0;
    number = strtoull(name, &end, 10);
    return end - name >= 6 && strcmp(end, suffix) == 0 ? number : 0;
}

static int is_manifest(const char *name)
{
    return strncmp(name, "MANIFEST-", 9) == 0;
}

static struct entry *newest_manifest(struct directory *dir)
{
    struct entry *newest = NULL;
    uint64_t highest = 0;

    for (unsigned i = 0; i < dir->now.count; i++) {
        struct entry *entry = &dir->now.at[i];
        uint64_t number = is_manifest(entry->name) ? strtoull(entry->name + 9, NULL, 10) : 0;
        if (is_manifest(entry->name) && (!newest || number > highest)) {
            newest = entry;
            highest = number;
        }
    }
    return newest;
}

/* ---- durable, and if not, why --------------------------------------------------------------- */

static char reason[160]; /* of the last refusal */

static int refuse(const char *name, const char *words)
{
    snprintf(reason, sizeof reason, "%s of %.63s", words, name);
    return 0;
}

static uint64_t end_of_content(struct inode *inode)
{
    const unsigned char *bytes = sim_inode_bytes(inode);
    uint64_t end = inode->size;
    while (end > 0 && bytes[end - 1] == 0)
        end--;
    return end;
}

static int is_durable(struct directory *dir, struct entry *entry, uint64_t bytes)
{
    if (!sim_name_durable(dir, entry->name))
        return refuse(entry->name, "the name");
    if (!sim_inode_durable(entry->inode, bytes))
        return refuse(entry->name, "the content");
    return 1;
}

/* Every segment up to the LSN that still exists. needed: the LSN's own segment must exist. */
static int log_is_durable(struct directory *dir, uint64_t lsn, int needed)
{
    uint64_t last = lsn >> 32, offset = lsn & 0xFFFFFFFFu;
    int found = 0;

    for (unsigned i = 0; i < dir->now.count; i++) {
        struct entry *entry = &dir->now.at[i];
        uint64_t number = number_of(entry->name, ".log");
        if (number == 0 || number > last || number < dir->log_begins)
            continue;
        found |= number == last;
        if (!is_durable(dir, entry, number == last ? offset : end_of_content(entry->inode)))
            return 0;
    }
    if (needed && !found) {
        snprintf(reason, sizeof reason, "the existence of %06" PRIu64 ".log", last);
        return 0;
    }
    return 1;
}

static int manifest_is_durable(struct directory *dir)
{
    struct entry *current = sim_entries_find(&dir->now, "CURRENT"), *manifest = newest_manifest(dir);
    return (!current || is_durable(dir, current, current->inode->size)) &&
           (!manifest || is_durable(dir, manifest, manifest->inode->size));
}

/* ---- what was said of a file number ----------------------------------------------------------- */

enum { MAY_GO = 1, IN_EDIT = 2, GONE = 4 };

static unsigned char *said_of(struct sim *sim, uint64_t number)
{
    if (number > 1u << 24)
        number = 0; /* no store of a test has that many files */
    if (number >= sim->said_count) {
        uint64_t count = number * 2 + 64;
        sim->said = sim_grow(sim->said, count);
        memset(sim->said + sim->said_count, 0, count - sim->said_count);
        sim->said_count = count;
    }
    return &sim->said[number];
}

static void end_edit(struct sim *sim)
{
    sim->edit_open = 0;
    for (uint64_t i = 0; i < sim->said_count; i++)
        sim->said[i] &= (unsigned char)~IN_EDIT;
}

/* ---- notes ---------------------------------------------------------------------------------- */

static int has_number(const struct directory *dir, uint64_t number, const char *suffix)
{
    for (unsigned i = 0; i < dir->now.count; i++)
        if (number_of(dir->now.at[i].name, suffix) == number)
            return 1;
    return 0;
}

static int table_is_durable(struct directory *dir, uint64_t number)
{
    for (unsigned i = 0; i < dir->now.count; i++)
        if (number_of(dir->now.at[i].name, ".tbl") == number)
            return is_durable(dir, &dir->now.at[i], dir->now.at[i].inode->size);
    return refuse("the table", "the existence");
}

static int segment_is_named(struct directory *dir, uint64_t number)
{
    for (unsigned i = 0; i < dir->now.count; i++)
        if (number_of(dir->now.at[i].name, ".log") == number)
            return sim_name_durable(dir, dir->now.at[i].name) || refuse(dir->now.at[i].name, "the name");
    return refuse("the segment", "the existence");
}

static int obeys(struct sim *sim, struct directory *dir, int what, uint64_t a, uint64_t b)
{
    struct entry *manifest;

    switch (what) {
    case LK_NOTE_ACK_SYNCED:
        return log_is_durable(dir, a, !(*said_of(sim, a >> 32) & GONE));
    case LK_NOTE_SEGMENT_NEW:
        return segment_is_named(dir, a);
    case LK_NOTE_EDIT_NAMES:
        sim->edit_open = 1;
        *said_of(sim, a) |= IN_EDIT;
        return (a == 0 || table_is_durable(dir, a)) && (b == 0 || log_is_durable(dir, b, 0));
    case LK_NOTE_EDIT_DURABLE:
        end_edit(sim);
        manifest = newest_manifest(dir);
        return !manifest || is_durable(dir, manifest, manifest->inode->size);
    default:
        return 1;
    }
}

static const char *words_of(int what)
{
    switch (what) {
    case LK_NOTE_ACK_SYNCED:
        return "a synced write was acknowledged";
    case LK_NOTE_SEGMENT_NEW:
        return "a segment became active";
    case LK_NOTE_EDIT_NAMES:
        return "an edit is about to be written";
    default:
        return "an edit was called durable";
    }
}

/* Is the directory what the note may be about? */
static int concerns(struct sim *sim, const struct directory *dir, int what, uint64_t a)
{
    switch (what) {
    case LK_NOTE_ACK_SYNCED:
        return has_number(dir, a >> 32, ".log") || *said_of(sim, a >> 32) & GONE;
    case LK_NOTE_SEGMENT_NEW:
        return has_number(dir, a, ".log");
    case LK_NOTE_EDIT_NAMES:
        return a == 0 || has_number(dir, a, ".tbl");
    default:
        return 1;
    }
}

void sim_note(struct lk_env *env, int what, uint64_t a, uint64_t b)
{
    struct sim *sim = (struct sim *)env;
    int asked = 0;

    if (sim->stopped)
        return;
    sim_capture(sim);
    if (what == LK_NOTE_LOG_BEGINS) {
        for (struct directory *dir = sim->directories; dir; dir = dir->next)
            if (has_number(dir, a - 1, ".log"))
                dir->log_begins = a;
        return;
    }
    if (what == LK_NOTE_REMOVE) {
        *said_of(sim, a) |= MAY_GO;
        return;
    }
    for (struct directory *dir = sim->directories; dir; dir = dir->next) {
        if (!dir->exists || !concerns(sim, dir, what, a))
            continue;
        if (obeys(sim, dir, what, a, b))
            return;
        asked = 1;
    }
    if (!asked)
        snprintf(reason, sizeof reason, "the existence of file %06" PRIu64, what == LK_NOTE_ACK_SYNCED ? a >> 32 : a);
    sim_violate(sim, "%s (%" PRIx64 ", %" PRIx64 ") before %s was durable", words_of(what), a, b, reason);
}

/* ---- names that change ---------------------------------------------------------------------- */

/* The number of a file of which LK_NOTE_REMOVE was given, or 0. */
static uint64_t noted_number(struct sim *sim, const char *name)
{
    static const char *const suffixes[] = {".log", ".tbl", ".val"};
    for (unsigned i = 0; i < 3; i++) {
        uint64_t number = number_of(name, suffixes[i]);
        if (number && *said_of(sim, number) & MAY_GO)
            return number;
    }
    return 0;
}

void sim_order_remove(struct sim *sim, struct directory *dir, const char *name)
{
    uint64_t number = noted_number(sim, name);
    struct entry *newest = newest_manifest(dir);

    if (number == 0 && !is_manifest(name))
        return;
    if (is_manifest(name) && newest && strcmp(newest->name, name) == 0)
        return; /* an attempt that is given up, or the end of the store */
    if (number && *said_of(sim, number) & IN_EDIT)
        end_edit(sim);
    if (number && sim->edit_open)
        sim_violate(sim, "%s was removed while an edit was not durable yet", name);
    else if (!manifest_is_durable(dir))
        sim_violate(sim, "%s was removed before %s was durable", name, reason);
    if (number)
        *said_of(sim, number) = GONE;
}

/* The manifest whose name the file begins with; NULL: there is none. */
static struct entry *named_manifest(struct directory *dir, struct inode *inode)
{
    const char *bytes = (const char *)sim_inode_bytes(inode);
    for (unsigned i = 0; i < dir->now.count; i++) {
        const char *name = dir->now.at[i].name;
        size_t length = strlen(name);
        if (is_manifest(name) && inode->size > length && memcmp(bytes, name, length) == 0 && bytes[length] == ' ')
            return &dir->now.at[i];
    }
    return NULL;
}

void sim_order_rename(struct sim *sim, struct directory *dir, const char *from, const char *to)
{
    struct entry *entry = sim_entries_find(&dir->now, from);

    if (strcmp(to, "CURRENT") != 0)
        return;
    dir->log_begins = 0; /* perhaps another store */
    if (!sim_inode_durable(entry->inode, entry->inode->size))
        sim_violate(sim, "%s was renamed to CURRENT before its content was durable", from);
    struct entry *named = named_manifest(dir, entry->inode);
    for (unsigned i = 0; i < dir->now.count; i++)
        if (is_manifest(dir->now.at[i].name) && (!named || named == &dir->now.at[i]) &&
            !is_durable(dir, &dir->now.at[i], dir->now.at[i].inode->size))
            sim_violate(sim, "CURRENT was put in place before %s was durable", reason);
}
