/* lsm_type: LSM, the store. Its methods live in files of their own, by what they are for:
 *
 *   lsm_open      paths, flags, options            lsm_type     its life: open, close, with, del, repr
 *   lsm_write     [k] = v, put, delete, clear      lsm_update   update, set_many, |=
 *   lsm_upkeep    flush, sync, compact, verify     lsm_inspect  stats, levels, events, explain
 *   read, range, count                             what it shares with Snapshot */
#ifndef LSM_PY_LSM_TYPE_H
#define LSM_PY_LSM_TYPE_H

#include "py/args.h"
#include "py/call.h"

extern PyType_Spec lsm_store_spec;

/* ---- lsm_open.c -------------------------------------------------------------------------- */

/* LSM.__init__: opens and fills in `store`, which was never opened. 0 or -1; the caller then closes what is open. */
int lsm_store_open(struct lsm_store *store, PyObject *args, PyObject *keywords);

/* destroy(path): a module function. */
PyObject *lsm_destroy(PyObject *module, PyObject *path);

/* ---- lsm_type.c -------------------------------------------------------------------------- */

/* 0, or a status whose words lsmkv_last_error() has. Idempotent; gives up the interpreter lock. */
int lsm_store_close(struct lsm_store *store);

/* A namespace of `parent` behind `db`, which is taken over, also on failure: NULL with an exception. */
struct lsm_store *lsm_store_adopt(struct lsm_store *parent, lsmkv *db, PyObject *name, struct lsm_codec *key_codec,
                                  struct lsm_codec *value_codec);

/* The exit hook: closes every open store of the module. */
PyObject *lsm_close_all(PyObject *module, PyObject *unused);

/* ---- lsm_upkeep.c ------------------------------------------------------------------------ */

PyObject *lsm_store_flush(PyObject *self, PyObject *unused);
PyObject *lsm_store_sync(PyObject *self, PyObject *unused);
PyObject *lsm_store_compact(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *lsm_store_verify(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *lsm_store_step(PyObject *self, PyObject *unused);
PyObject *lsm_store_pending(PyObject *self, PyObject *unused);
PyObject *lsm_store_compaction_paused(PyObject *self, PyObject *unused);
PyObject *lsm_store_pause(PyObject *self, PyObject *unused);
PyObject *lsm_store_resume(PyObject *self, PyObject *unused);

PyDoc_STRVAR(
    lsm_flush_doc,
    "flush($self, /)\n--\n\nTurn everything that only the log holds into a table on the disk. Cost: one sort and "
    "one\nsequential write of it.");
PyDoc_STRVAR(lsm_sync_doc,
             "sync($self, /)\n--\n\nReturn once every write acknowledged so far is on the disk. Cost: one fdatasync at "
             "most.\nRaises StorageError when a sync fails; the store then takes no more writes.");
PyDoc_STRVAR(
    lsm_compact_doc,
    "compact($self, start=None, stop=None, *, progress=None)\n--\n\n"
    "Flush, then merge all runs into one; with start or stop, only what they hold of start <= key < stop.\n\n"
    "Of a range only tables that meet it are written anew, so it costs what the range weighs, to whole tables.\n"
    "progress(done, total, unit, phase) is called now and then, in bytes; if it raises, the merge stops with\n"
    "that exception and the store stays sound. Ctrl-C stops it too. Cost: reads and writes all of the range.");
PyDoc_STRVAR(lsm_verify_doc,
             "verify($self, /, *, progress=None)\n--\n\n"
             "Read every byte of every file and check it against its checksum.\n\n"
             "What nothing refers to in value files is not read: value_file_bytes of stats() less value_live_bytes.\n\n"
             "Raises CorruptionError for the first damaged place; its damage attribute lists one CorruptionError for\n"
             "each. progress as for compact(). Cost: one sequential read of the whole store.");
PyDoc_STRVAR(
    lsm_step_doc,
    "step($self, /)\n--\n\n"
    "Run one ready job of the background work now, in this thread. None when there is none, else a dict of what\n"
    "was done: what, why, bytes_in, bytes_out, records_in, records_out, nanoseconds.\n"
    "Cost: that of the job.");
PyDoc_STRVAR(
    lsm_compaction_paused_doc,
    "compaction_paused($self, /)\n--\n\n"
    "A context manager: no merge begins or goes on in its `with` block, whoever else has the store open here.\n\n"
    "Writes and flushes go on, and so does compact(). Blocks may be nested. Runs pile up meanwhile, and scans\n"
    "pay for them. Cost: none.");
PyDoc_STRVAR(lsm_pending_doc,
             "pending($self, /)\n--\n\nThe number of jobs that are ready for step(). Cost: a look at the levels.");

#define LSM_UPKEEP_METHODS                                                                                       \
    {"flush", lsm_store_flush, METH_NOARGS, lsm_flush_doc}, {"sync", lsm_store_sync, METH_NOARGS, lsm_sync_doc}, \
        {"compact", LSM_FAST(lsm_store_compact), METH_FASTCALL | METH_KEYWORDS, lsm_compact_doc},                \
        {"verify", LSM_FAST(lsm_store_verify), METH_FASTCALL | METH_KEYWORDS, lsm_verify_doc},                   \
        {"step", lsm_store_step, METH_NOARGS, lsm_step_doc},                                                     \
        {"compaction_paused", lsm_store_compaction_paused, METH_NOARGS, lsm_compaction_paused_doc},              \
        {"_pause", lsm_store_pause, METH_NOARGS, NULL}, {"_resume", lsm_store_resume, METH_NOARGS, NULL},        \
    {                                                                                                            \
        "pending", lsm_store_pending, METH_NOARGS, lsm_pending_doc                                               \
    }

/* ---- lsm_inspect.c ----------------------------------------------------------------------- */

extern PyStructSequence_Desc lsm_level_desc, lsm_probe_desc;

PyObject *lsm_store_stats(PyObject *self, PyObject *unused);
PyObject *lsm_store_levels(PyObject *self, void *unused);
PyObject *lsm_store_lsn(PyObject *self, void *unused);
PyObject *lsm_store_events(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *lsm_store_explain(PyObject *self, PyObject *key);
PyObject *lsm_store_repr_html(PyObject *self, PyObject *unused);
PyObject *lsm_store_completions(PyObject *self, PyObject *unused);

PyDoc_STRVAR(lsm_stats_doc, "stats($self, /)\n--\n\nA dict of counters and gauges: bytes, nanoseconds, calls since the "
                            "store was opened.\nCost: memory only.\n\n"
                            "docs/api.md says what each of them counts, and so does "
                            "lsmkv.report.counters.GROUPS.\n\n"
                            ">>> db[\"apple\"] = \"red\"\n"
                            ">>> db.stats()[\"puts\"]\n"
                            "1");
PyDoc_STRVAR(
    lsm_events_doc,
    "events($self, from_=0)\n--\n\n"
    "What the engine did lately, oldest first, as a list of dicts: number, at_ns (wall clock), what, detail.\n"
    "Events before number from_ are left out; all but the last 256 are forgotten. Cost: memory only.\n\n"
    "what: \"open\"; \"flush step\", \"merge step\", \"slice step\" (a merge of a part of the keys), \"range step\"\n"
    "(the same, for compact(start, stop)), \"move step\" (a table that nothing overlaps), \"drop runs\" and\n"
    "\"scan view\", each with its reason; \"collect\" and \"value lost\" of large values; \"merge stopped\" before\n"
    "damage; \"snapshot expired\"; \"namespace\"; \"failure\"; \"count\"; \"set aside\" and \"leftover\", of files "
    "that\n"
    "nothing needs.\n\n"
    ">>> db.events()[0][\"what\"]\n"
    "'open'");
PyDoc_STRVAR(
    lsm_explain_doc,
    "explain($self, key, /)\n--\n\n"
    "How a get of key goes: a list of Probe, one for each place that is asked, newest first, each with its\n"
    "verdict and what it cost. The last one says \"value\" when the key is there. No file is read: where a get\n"
    "would have to, the verdict is \"not verified yet\". Print it, or show it in a notebook.\n\n"
    ">>> db[\"apple\"] = \"red\"\n"
    ">>> [probe.verdict for probe in db.explain(\"apple\")]\n"
    "['value']");
PyDoc_STRVAR(
    lsm_repr_html_doc,
    "_repr_html_($self, /)\n--\n\n"
    "The card a notebook shows: where the records are, and what that costs. Memory only; raises no Exception.");
PyDoc_STRVAR(lsm_completions_doc, "_ipython_key_completions_($self, /)\n--\n\n"
                                  "Keys a notebook offers after `[`: the first hundred. Raises no Exception.");

#define LSM_INSPECT_METHODS                                                                     \
    {"stats", lsm_store_stats, METH_NOARGS, lsm_stats_doc},                                     \
        {"events", LSM_FAST(lsm_store_events), METH_FASTCALL | METH_KEYWORDS, lsm_events_doc},  \
        {"_repr_html_", lsm_store_repr_html, METH_NOARGS, lsm_repr_html_doc},                   \
        {"_ipython_key_completions_", lsm_store_completions, METH_NOARGS, lsm_completions_doc}, \
    {                                                                                           \
        "explain", lsm_store_explain, METH_O, lsm_explain_doc                                   \
    }

#endif
