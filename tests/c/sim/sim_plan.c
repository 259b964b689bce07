/* sim_plan: for one crash image, which of the undecided things it takes.
 *
 * Items are numbered in one fixed order: for each directory its existence and its name operations,
 * then for each file its length and its dirty sectors. Every question below is one item. */
#include <stdlib.h>
#include <string.h>

#include "sim/sim_inner.h"

/* ---- what is undecided ---------------------------------------------------------------------- */

int sim_plan_counts(const struct inode *inode)
{
    return inode->marked && inode->type == SIM_FILE && !inode->was_lock;
}

static void add_op(struct sim *sim, uint64_t op, uint64_t sectors)
{
    if (sim->op_count == sim->op_room) {
        sim->op_room = sim->op_room * 2 + 64;
        sim->ops = sim_grow(sim->ops, sim->op_room * sizeof *sim->ops);
    }
    sim->ops[sim->op_count++] = (struct pending){.op = op, .sectors = sectors};
}

static void mark_named(struct sim *sim)
{
    for (struct inode *inode = sim->inodes; inode; inode = inode->next)
        inode->marked = 0;
    for (struct directory *dir = sim->directories; dir; dir = dir->next) {
        for (unsigned i = 0; i < dir->disk.count; i++)
            dir->disk.at[i].inode->marked = 1;
        for (unsigned i = 0; i < dir->op_count; i++)
            dir->ops[i].inode->marked = 1;
    }
}

static void add_file(struct sim *sim, const struct inode *inode)
{
    for (unsigned i = 0; i < inode->step_count; i++)
        add_op(sim, inode->steps[i].op, 0);
    for (uint64_t i = 0; inode->dirty && i < inode->sector_count; i++)
        for (const struct version *v = inode->sectors[i].newest; v; v = v->older)
            add_op(sim, v->op, 1);
}

static int by_op(const void *a, const void *b)
{
    uint64_t left = ((const struct pending *)a)->op, right = ((const struct pending *)b)->op;
    return (left > right) - (left < right);
}

static void merge_ops(struct sim *sim)
{
    uint64_t kept = 0;
    if (sim->op_count)
        qsort(sim->ops, sim->op_count, sizeof *sim->ops, by_op);
    for (uint64_t i = 0; i < sim->op_count; i++) {
        if (kept > 0 && sim->ops[kept - 1].op == sim->ops[i].op)
            sim->ops[kept - 1].sectors += sim->ops[i].sectors;
        else
            sim->ops[kept++] = sim->ops[i];
    }
    sim->op_count = kept;
}

void sim_plan_ops(struct sim *sim)
{
    sim_capture(sim);
    mark_named(sim);
    if (sim->ops_valid)
        return;
    sim->op_count = 0;
    for (struct directory *dir = sim->directories; dir; dir = dir->next) {
        if (dir->exists != dir->disk_exists)
            add_op(sim, dir->made_op, 0);
        for (unsigned i = 0; i < dir->op_count; i++)
            add_op(sim, dir->ops[i].op, 0);
    }
    for (struct inode *inode = sim->inodes; inode; inode = inode->next)
        if (sim_plan_counts(inode))
            add_file(sim, inode);
    merge_ops(sim);
    sim->ops_valid = 1;
}

uint64_t sim_items(struct sim *sim)
{
    uint64_t count = 0;

    sim_plan_ops(sim);
    for (struct directory *dir = sim->directories; dir; dir = dir->next)
        count += (dir->exists != dir->disk_exists) + dir->op_count;
    for (struct inode *inode = sim->inodes; inode; inode = inode->next)
        if (sim_plan_counts(inode))
            count += (inode->step_count > 0) + inode->dirty;
    return count;
}

/* ---- plans ---------------------------------------------------------------------------------- */

static uint64_t torn_count(const struct sim *sim)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < sim->op_count; i++)
        count += sim->ops[i].sectors > 1 ? sim->ops[i].sectors - 1 : 0;
    return count;
}

uint64_t sim_image_count(struct sim *sim, enum sim_how how)
{
    sim_plan_ops(sim);
    switch (how) {
    case SIM_DROP:
    case SIM_ONLY:
        return sim_items(sim);
    case SIM_PREFIX:
        return sim->op_count;
    case SIM_TORN:
        return torn_count(sim);
    case SIM_LENGTHS:
        return 3;
    case SIM_NAMES:
        return 4;
    case SIM_MIXED:
        return UINT64_MAX;
    default:
        return 1;
    }
}

static void init_torn(struct plan *plan)
{
    uint64_t left = plan->argument;
    for (uint64_t i = 0; i < plan->sim->op_count; i++) {
        const struct pending *op = &plan->sim->ops[i];
        uint64_t cuts = op->sectors > 1 ? op->sectors - 1 : 0;
        if (left < cuts) {
            plan->torn_op = op->op;
            plan->torn_left = left + 1;
            plan->base = op->op - 1;
            return;
        }
        left -= cuts;
    }
}

static uint64_t chance(const struct plan *plan, uint64_t key)
{
    return sim_mix(plan->seed ^ sim_mix(key));
}

/* Start from nothing, everything or a prefix, and let few or many items depart from it. */
static void init_mixed(struct plan *plan)
{
    uint64_t items = sim_items(plan->sim), count = plan->sim->op_count;
    uint64_t odds[] = {2, 4, 16, items + 1, items / 2 + 1}, units[] = {1, 1, SIM_PAGE / SECTOR, 1u << 30};
    int rubbish[] = {0, 0, 1, 2};

    plan->seed = sim_mix(plan->argument ^ 0x5EED5EED5EED5EEDull);
    switch (chance(plan, 1) % 8) {
    case 0:
        plan->base = 0;
        break;
    case 1:
        plan->base = UINT64_MAX;
        break;
    default:
        plan->base = count ? plan->sim->ops[chance(plan, 2) % count].op : 0;
    }
    plan->odds = odds[chance(plan, 3) % 5];
    plan->unit = units[chance(plan, 4) % 4];
    plan->tear_words = plan->sim->config.tear_words && chance(plan, 5) % 4 == 0;
    plan->rubbish = rubbish[chance(plan, 6) % 4];
}

int sim_plan_init(struct plan *plan, struct sim *sim, enum sim_how how, uint64_t argument)
{
    *plan = (struct plan){.sim = sim, .how = how, .argument = argument, .unit = 1};
    if (argument >= sim_image_count(sim, how))
        return 0;
    switch (how) {
    case SIM_EVERYTHING:
    case SIM_DROP:
        plan->base = UINT64_MAX;
        break;
    case SIM_PREFIX:
        plan->base = sim->ops[argument].op;
        break;
    case SIM_TORN:
        init_torn(plan);
        break;
    case SIM_LENGTHS:
        plan->rubbish = (int)argument;
        break;
    case SIM_MIXED:
        init_mixed(plan);
        break;
    default:
        break;
    }
    return 1;
}

/* ---- questions ------------------------------------------------------------------------------ */

/* 1 when this item is the one that DROP or ONLY is about. */
static int is_the_item(struct plan *plan)
{
    return plan->item++ == plan->argument && (plan->how == SIM_DROP || plan->how == SIM_ONLY);
}

static int departs(const struct plan *plan, uint64_t key)
{
    return plan->how == SIM_MIXED && chance(plan, key) % plan->odds == 0;
}

static int takes_op(struct plan *plan, uint64_t op)
{
    int the_item = is_the_item(plan);
    return (op <= plan->base) != (the_item || departs(plan, op << 8 | 0x0F));
}

int sim_plan_name(struct plan *plan, const struct name_op *op)
{
    int by_base = takes_op(plan, op->op);

    switch (plan->how) {
    case SIM_LENGTHS:
    case SIM_CONTENTS:
        return 1;
    case SIM_NAMES:
        return plan->argument == 0 || (plan->argument == 2 && op->what != NAME_REMOVE) ||
               (plan->argument == 3 && op->what == NAME_REMOVE);
    default:
        return by_base;
    }
}

int sim_plan_directory(struct plan *plan, const struct directory *dir)
{
    int by_base = takes_op(plan, dir->made_op);

    switch (plan->how) {
    case SIM_LENGTHS:
    case SIM_CONTENTS:
        return 1;
    case SIM_NAMES:
        return plan->argument != 1;
    default:
        return by_base;
    }
}

static int takes_content(const struct plan *plan)
{
    return plan->how == SIM_CONTENTS || (plan->how == SIM_NAMES && (plan->argument == 1 || plan->argument == 2));
}

static int takes_length(const struct plan *plan)
{
    return plan->how == SIM_LENGTHS || (plan->how == SIM_NAMES && (plan->argument == 1 || plan->argument == 2));
}

/* Any length there was, or the whole number of sectors somewhere between the old and the new. */
static uint64_t mixed_size(const struct plan *plan, const struct inode *inode, uint64_t usual)
{
    uint64_t dice = chance(plan, inode->number << 8 | 0x51), old = inode->disk->bytes, now = inode->size;
    uint64_t low = old < now ? old : now, high = old < now ? now : old;

    switch (dice % 4) {
    case 0:
        return usual == old ? now : old;
    case 1:
        return inode->steps[(dice >> 8) % inode->step_count].size;
    case 2:
        low += (dice >> 8) % (high - low + 1);
        return low / SECTOR * SECTOR >= (old < now ? old : now) ? low / SECTOR * SECTOR : now;
    default:
        return now;
    }
}

uint64_t sim_plan_size(struct plan *plan, const struct inode *inode)
{
    uint64_t size = inode->disk->bytes;
    int the_item = is_the_item(plan);

    for (unsigned i = 0; i < inode->step_count && inode->steps[i].op <= plan->base; i++)
        size = inode->steps[i].size;
    if (the_item)
        return plan->how == SIM_ONLY ? inode->size : inode->disk->bytes;
    if (takes_length(plan))
        return inode->size;
    return departs(plan, inode->number << 8 | 0x52) ? mixed_size(plan, inode, size) : size;
}

static const struct version *mixed_version(const struct plan *plan, const struct sector *sector, uint64_t key,
                                           const struct version *usual)
{
    uint64_t dice = chance(plan, key ^ 0x1234567), count = 0;
    const struct version *v;

    if (usual && dice % 2)
        return NULL;
    if (!usual && dice % 2)
        return sector->newest;
    for (v = sector->newest; v; v = v->older)
        count++;
    count = (dice >> 8) % count;
    for (v = sector->newest; count > 0; count--)
        v = v->older;
    return v;
}

const struct version *sim_plan_sector(struct plan *plan, const struct inode *inode, uint64_t number, int *blend)
{
    const struct sector *sector = &inode->sectors[number];
    const struct version *v = sector->newest;
    uint64_t key = inode->number << 40 ^ (number / plan->unit) << 8 ^ 0x77;
    int the_item = is_the_item(plan);

    *blend = 0;
    if (the_item)
        return plan->how == SIM_ONLY ? v : NULL;
    if (takes_content(plan))
        return v;
    for (; v && v->op > plan->base; v = v->older)
        if (plan->torn_left > 0 && v->op == plan->torn_op) {
            plan->torn_left--;
            return v;
        }
    if (departs(plan, key))
        v = mixed_version(plan, sector, key, v);
    *blend = v && v->stored && plan->tear_words && chance(plan, key ^ number ^ 0x99) % 4 == 0;
    return v;
}
