/* lsm_inspect: what the engine tells about itself, as dicts, named tuples and lists. Made without the
 * interpreter lock: an answer may wait for a lock of the engine.
 *
 * How it looks is policy and lives in lsmkv/report, which is imported when somebody asks; nothing is held then. */
#include "py/args.h"
#include "py/codec.h"
#include "py/lsm_type.h"

enum { EVENTS_AT_ONCE = 64, PROBES_MAX = 4096 };

static struct lsm_store *as_store(PyObject *self)
{
    return (struct lsm_store *)self;
}

/* lsmkv.report.<module>.<name>(given, also); `also` may be NULL. Steals both; given NULL: an exception is set. */
static PyObject *report(const char *module, const char *name, PyObject *given, PyObject *also)
{
    PyObject *from = given ? PyImport_ImportModule(module) : NULL;
    PyObject *function = from ? PyObject_GetAttrString(from, name) : NULL;
    PyObject *answer = function ? PyObject_CallFunctionObjArgs(function, given, also, NULL) : NULL;
    Py_XDECREF(function);
    Py_XDECREF(from);
    Py_XDECREF(also);
    Py_XDECREF(given);
    return answer;
}

/* What a notebook asks for by itself raises nothing but Ctrl-C and the like: true when another answer is needed. */
static int must_answer(PyObject *answer)
{
    if (answer || !PyErr_ExceptionMatches(PyExc_Exception))
        return 0;
    PyErr_Clear();
    return 1;
}

/* ---- stats ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t offset;
} counters[] = {
#define X(name) {#name, offsetof(struct lsmkv_stats, name)}
    X(lsn_visible),
    X(lsn_durable),
    X(puts),
    X(deletes),
    X(range_deletes),
    X(gets),
    X(gets_missed),
    X(scans),
    X(leaps),
    X(memtable_bytes),
    X(memtable_keys),
    X(sealed_segments),
    X(sealed_bytes),
    X(runs),
    X(tables),
    X(table_bytes),
    X(table_records),
    X(table_tombstones),
    X(value_files),
    X(value_file_bytes),
    X(value_live_bytes),
    X(user_bytes),
    X(log_bytes),
    X(flush_bytes),
    X(merge_bytes),
    X(value_bytes),
    X(value_moved_bytes),
    X(manifest_bytes),
    X(recovery_bytes),
    X(read_bytes),
    X(syncs),
    X(stalls),
    X(stall_ns),
#define STALL(cause, words) X(stall_##cause), X(stall_##cause##_ns), X(stall_##cause##_longest_ns),
    LSMKV_STALL_TABLE(STALL)
#undef STALL
        X(limited_ns),
    X(anonymous_bytes),
    X(resident_anonymous_bytes),
    X(resident_file_bytes),
    X(live_snapshots),
    X(live_iterators),
    X(expired_snapshots),
    X(pinned_bytes),
    X(recovered_bytes),
    X(recovered_records),
#undef X
};

/* Steals `value`. */
static int set_item(PyObject *dict, const char *name, PyObject *value)
{
    int rc = value ? PyDict_SetItemString(dict, name, value) : -1;
    Py_XDECREF(value);
    return rc;
}

static PyObject *stats_dict(const struct lsmkv_stats *stats)
{
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict && i < sizeof counters / sizeof *counters; i++) {
        const uint64_t *at = (const uint64_t *)((const char *)stats + counters[i].offset);
        if (set_item(dict, counters[i].name, PyLong_FromUnsignedLongLong(*at)) < 0)
            Py_CLEAR(dict);
    }
    if (dict && (set_item(dict, "clean_open", PyBool_FromLong(stats->clean_open)) < 0 ||
                 set_item(dict, "failed", PyBool_FromLong(stats->failed)) < 0))
        Py_CLEAR(dict);
    return dict;
}

static int read_stats(struct lsm_store *store, struct lsmkv_stats *stats)
{
    int rc;
    if (lsm_enter(&store->head) < 0)
        return -1;
    Py_BEGIN_ALLOW_THREADS rc = lsmkv_get_stats(store->db, stats);
    Py_END_ALLOW_THREADS return rc == 0 ? 0 : (lsm_fail(&store->head, rc), -1);
}

PyObject *lsm_store_stats(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct lsmkv_stats stats;
    return read_stats(as_store(self), &stats) < 0 ? NULL : stats_dict(&stats);
}

PyObject *lsm_store_lsn(PyObject *self, void *Py_UNUSED(unused))
{
    struct lsmkv_stats stats;
    return read_stats(as_store(self), &stats) < 0 ? NULL : PyLong_FromUnsignedLongLong(stats.lsn_visible);
}

/* ---- levels ------------------------------------------------------------------------------ */

static PyStructSequence_Field level_fields[] = {
    {"kind", "\"memtable\", \"segment\" or \"table\"; \"values\" for a file of large values"},
    {"run", "of tables: 1 is the newest; 0 for the others"},
    {"number", "of the file: 000012.log, 000014.tbl, 000013.val"},
    {"bytes", "size of the file"},
    {"records", "records in it, deletions among them; 0 in a value file"},
    {"tombstones", "records that delete one key"},
    {"range_deletes", "records that delete a range"},
    {"lsn_min", "log position of its oldest record: segment << 32 | offset"},
    {"lsn_max", "log position of its newest record"},
    {"key_min", "the smallest key, as bytes"},
    {"key_max", "the largest key, as bytes"},
    {"codec", "of tables, how pages are packed: \"raw\", \"lz4\" or \"zstd\"; \"\" for the others"},
    {"record_bytes", "of tables: bytes of all records"},
    {"stored_bytes", "of tables: bytes of the pages that hold them"},
    {"layout", "of the index: \"lines\", or in a table of small records \"filter\"; \"\" for a value file"},
    {"value_bytes", "bytes of value files that its records refer to; of a value file: those that any record refers to"},
    {NULL, NULL},
};

PyStructSequence_Desc lsm_level_desc = {
    "lsmkv.Level", "One place where records live, a segment or a table; or a file of large values.", level_fields, 16};

static const char *kind_name(int kind)
{
    static const char *const names[] = {"memtable", "segment", "table", "values"};
    return kind >= 0 && kind < 4 ? names[kind] : "unknown";
}

/* Steals the items; NULL when one of them is. */
static PyObject *fill_sequence(PyTypeObject *type, PyObject **items, Py_ssize_t count)
{
    PyObject *made = PyStructSequence_New(type);
    int complete = made != NULL;
    for (Py_ssize_t i = 0; i < count; i++) {
        complete = complete && items[i];
        if (made)
            PyStructSequence_SetItem(made, i, items[i]);
        else
            Py_XDECREF(items[i]);
    }
    if (!complete)
        Py_CLEAR(made);
    return made;
}

static PyObject *from_slice(struct lsmkv_slice slice)
{
    return PyBytes_FromStringAndSize(slice.data, (Py_ssize_t)slice.size);
}

static PyObject *level_object(const struct lsm_module *module, const struct lsmkv_level *level)
{
    PyObject *items[] = {
        PyUnicode_FromString(kind_name(level->kind)),
        PyLong_FromUnsignedLong(level->run),
        PyLong_FromUnsignedLong(level->number),
        PyLong_FromUnsignedLongLong(level->bytes),
        PyLong_FromUnsignedLongLong(level->records),
        PyLong_FromUnsignedLongLong(level->tombstones),
        PyLong_FromUnsignedLongLong(level->range_deletes),
        PyLong_FromUnsignedLongLong(level->lsn_min),
        PyLong_FromUnsignedLongLong(level->lsn_max),
        from_slice(level->key_min),
        from_slice(level->key_max),
        PyUnicode_FromString(level->codec),
        PyLong_FromUnsignedLongLong(level->record_bytes),
        PyLong_FromUnsignedLongLong(level->stored_bytes),
        PyUnicode_FromString(level->layout),
        PyLong_FromUnsignedLongLong(level->value_bytes),
    };
    return fill_sequence(module->level_type, items, 16);
}

PyObject *lsm_store_levels(PyObject *self, void *Py_UNUSED(unused))
{
    struct lsm_store *store = as_store(self);
    struct lsmkv_level *levels = NULL;
    size_t count = 0;
    int rc;
    if (lsm_enter(&store->head) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS rc = lsmkv_get_levels(store->db, &levels, &count);
    Py_END_ALLOW_THREADS if (rc != 0) return lsm_fail(&store->head, rc);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++) {
        PyObject *level = level_object(store->head.module, &levels[i]);
        if (!level || PyList_Append(list, level) < 0)
            Py_CLEAR(list);
        Py_XDECREF(level);
    }
    lsmkv_levels_free(levels, count);
    return report("lsmkv.report.levels", "Levels", list, NULL);
}

/* ---- events ------------------------------------------------------------------------------ */

static PyObject *text(const char *words)
{
    return PyUnicode_DecodeUTF8(words, (Py_ssize_t)strlen(words), "backslashreplace");
}

static PyObject *event_dict(const struct lsmkv_event *event)
{
    PyObject *dict = PyDict_New();
    if (dict && (set_item(dict, "number", PyLong_FromUnsignedLongLong(event->number)) < 0 ||
                 set_item(dict, "at_ns", PyLong_FromUnsignedLongLong(event->at_ns)) < 0 ||
                 set_item(dict, "what", text(event->what)) < 0 || set_item(dict, "detail", text(event->detail)) < 0))
        Py_CLEAR(dict);
    return dict;
}

/* Appends the next events to the list: how many, or -1 with an exception. */
static Py_ssize_t take_events(struct lsm_store *store, uint64_t *from, PyObject *list)
{
    struct lsmkv_event events[EVENTS_AT_ONCE];
    size_t count = 0;
    int rc;
    if (lsm_enter(&store->head) < 0)
        return -1;
    Py_BEGIN_ALLOW_THREADS rc = lsmkv_get_events(store->db, *from, events, EVENTS_AT_ONCE, &count);
    Py_END_ALLOW_THREADS if (rc != 0) return lsm_fail(&store->head, rc), -1;
    for (size_t i = 0; i < count; i++) {
        PyObject *dict = event_dict(&events[i]);
        rc = dict ? PyList_Append(list, dict) : -1;
        Py_XDECREF(dict);
        if (rc < 0)
            return -1;
        *from = events[i].number + 1;
    }
    return (Py_ssize_t)count;
}

static int event_number(PyObject *given, uint64_t *out)
{
    if (!PyLong_Check(given)) {
        PyErr_Format(PyExc_TypeError, "from_ must be the number of an event, an int, not %.100s",
                     Py_TYPE(given)->tp_name);
        return -1;
    }
    *out = PyLong_AsUnsignedLongLong(given);
    if (!PyErr_Occurred())
        return 0;
    if (!PyErr_ExceptionMatches(PyExc_OverflowError))
        return -1;
    PyErr_Clear();
    PyErr_Format(PyExc_ValueError, "from_=%.100R: events are numbered from 0 on", given);
    return -1;
}

PyObject *lsm_store_events(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {"events", 1, 0, 1, {"from_"}};
    PyObject *given[1], *list;
    uint64_t from = 0;
    Py_ssize_t taken;
    if (lsm_params_read(&params, args, count, keywords, given) < 0)
        return NULL;
    if (given[0] && event_number(given[0], &from) < 0)
        return NULL;
    if (!(list = PyList_New(0)))
        return NULL;
    do
        taken = take_events(as_store(self), &from, list);
    while (taken == EVENTS_AT_ONCE);
    if (taken < 0)
        Py_CLEAR(list);
    return list;
}

/* ---- explain ----------------------------------------------------------------------------- */

static PyStructSequence_Field probe_fields[] = {
    {"kind", "\"memtable\", \"segment\" or \"table\""},
    {"run", "of tables: 1 is the newest; 0 for the others"},
    {"number", "of the file"},
    {"verdict", "what was found there, in words"},
    {"lines", "cache lines of the index that were read"},
    {"records", "records that were compared"},
    {"pages", "packed pages that were unpacked, as far as the record goes"},
    {"unpacked", "bytes that came out of them"},
    {"layout", "of the index: \"lines\", or in a table of small records \"filter\""},
    {NULL, NULL},
};

PyStructSequence_Desc lsm_probe_desc = {"lsmkv.Probe", "One place that a get asks, and what it found there.",
                                        probe_fields, 9};

static const char *verdict_name(int verdict)
{
    static const char *const names[] = {"not in its range",
                                        "line says no",
                                        "tag matched another key",
                                        "value",
                                        "tombstone",
                                        "covered by a range delete",
                                        "not verified yet",
                                        "expired",
                                        "filter says no",
                                        "the filter let another key pass"};
    return verdict >= 0 && verdict < 10 ? names[verdict] : "unknown";
}

static PyObject *probe_object(const struct lsm_module *module, const struct lsmkv_probe *probe)
{
    PyObject *items[] = {
        PyUnicode_FromString(kind_name(probe->kind)), PyLong_FromUnsignedLong(probe->run),
        PyLong_FromUnsignedLong(probe->number),       PyUnicode_FromString(verdict_name(probe->verdict)),
        PyLong_FromUnsignedLong(probe->lines),        PyLong_FromUnsignedLong(probe->records),
        PyLong_FromUnsignedLong(probe->pages),        PyLong_FromUnsignedLong(probe->unpacked),
        PyUnicode_FromString(probe->layout),
    };
    return fill_sequence(module->probe_type, items, 9);
}

/* The key as it is shown: what a codec takes as it was given, else a copy of the bytes. */
static PyObject *as_shown(const struct lsm_store *store, PyObject *object, const struct lsm_bytes *key)
{
    return store->key_codec ? Py_NewRef(object) : from_slice((struct lsmkv_slice){key->data, key->size});
}

static PyObject *explain(struct lsm_store *store, PyObject *object, const struct lsm_bytes *key,
                         struct lsmkv_probe *probes)
{
    size_t count = 0;
    int found, rc;
    if (lsm_enter(&store->head) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS rc = lsmkv_explain(store->db, key->data, key->size, probes, PROBES_MAX, &count, &found);
    Py_END_ALLOW_THREADS if (rc < 0) return lsm_fail(&store->head, rc);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count && i < PROBES_MAX; i++) {
        PyObject *probe = probe_object(store->head.module, &probes[i]);
        if (!probe || PyList_Append(list, probe) < 0)
            Py_CLEAR(list);
        Py_XDECREF(probe);
    }
    PyObject *asked = list ? as_shown(store, object, key) : NULL;
    if (!asked)
        Py_CLEAR(list);
    return report("lsmkv.report.explain", "Explanation", list, asked);
}

PyObject *lsm_store_explain(PyObject *self, PyObject *object)
{
    struct lsm_bytes key;
    if (lsm_key_take(&key, as_store(self)->key_codec, object) < 0)
        return NULL;
    struct lsmkv_probe *probes = PyMem_Calloc(PROBES_MAX, sizeof *probes);
    PyObject *list = probes ? explain(as_store(self), object, &key, probes) : PyErr_NoMemory();
    PyMem_Free(probes);
    lsm_bytes_drop(&key);
    return list;
}

/* ---- for notebooks ------------------------------------------------------------------------- */

PyObject *lsm_store_repr_html(PyObject *self, PyObject *Py_UNUSED(unused))
{
    PyObject *readonly = PyBool_FromLong(as_store(self)->readonly);
    PyObject *card = report("lsmkv.report.card", "of_store", Py_NewRef(self), readonly);
    return must_answer(card) ? Py_NewRef(Py_None) : card;
}

PyObject *lsm_store_completions(PyObject *self, PyObject *Py_UNUSED(unused))
{
    PyObject *found = report("lsmkv.report.completion", "keys", Py_NewRef(self), NULL);
    return must_answer(found) ? PyList_New(0) : found;
}
