"""The path of one get in HTML: a line with a dot for each place, what was found there, and why the get went on.

o  MemTable  000033.log  line says no    1 line  0 records
|
*  run 1     000031.tbl  value           1 line  1 record
"""

from __future__ import annotations

from lsmkv.report import html
from lsmkv.report.explain import Explanation, Step, answer, file_of, plain, shown
from lsmkv.report.levels import place
from lsmkv.report.numbers import plural

# verdict -> (what the dot says, words for somebody who reads it for the first time)
MEANING = {
    "not in its range": ("no", "outside its smallest and largest key: nothing is read"),
    "line says no": ("no", "one hash line is read, as a filter would be, and holds no such key"),
    "filter says no": ("no", "one line of the filter is read: no such key was added to it"),
    "the filter let another key pass": ("no", "all bits of the key were set by others; its page does not hold it"),
    "tag matched another key": ("no", "14 bits of the hash agreed, the key did not"),
    "value": ("yes", "here it is: older places are not asked"),
    "tombstone": ("gone", "deleted here: older places are not asked"),
    "covered by a range delete": ("gone", "a range delete hides it: older places are not asked"),
    "expired": ("gone", "its time to live is over: older places are not asked"),
    "not verified yet": ("unread", "a get would first read this part of the file and check it"),
}

STYLE = (
    ".lsmkv .q{margin:2px 0 8px;font-size:14px}"
    ".lsmkv .q .k{background:var(--lsmkv-panel);border-radius:4px;padding:1px 6px;margin:0 2px}"
    f"{html.TABLES} .path td{{padding-top:5px;padding-bottom:5px;vertical-align:top}}"
    f"{html.TABLES} .path td.w{{white-space:normal;width:99%}}"
    # The line that joins the places, and a dot on it for each.
    f"{html.TABLES} .path td.d{{position:relative;padding:0;width:26px;min-width:26px}}"
    ".lsmkv .path td.d::before{content:'';position:absolute;left:7px;top:0;bottom:0;width:2px;"
    "background:var(--lsmkv-line)}"
    ".lsmkv .path tr:first-child td.d::before{top:13px}"
    ".lsmkv .path tr:last-child td.d::before{bottom:auto;height:13px}"
    ".lsmkv .path tr:only-child td.d::before{display:none}"
    ".lsmkv .path i{position:absolute;left:2px;top:8px;width:12px;height:12px;border-radius:50%;"
    "border:2px solid var(--lsmkv-muted);background:var(--lsmkv-bg)}"
    ".lsmkv .path .yes i{border-color:var(--lsmkv-good);background:var(--lsmkv-good)}"
    ".lsmkv .path .gone i{border-color:var(--lsmkv-warn);background:var(--lsmkv-warn)}"
    ".lsmkv .path .unread i{border-color:var(--lsmkv-info);border-style:dashed}"
    ".lsmkv .yes b{color:var(--lsmkv-good)}.lsmkv .gone b{color:var(--lsmkv-warn)}"
    ".lsmkv .unread b{color:var(--lsmkv-info)}.lsmkv .no b{font-weight:500}"
    ".lsmkv .path small{display:block;color:var(--lsmkv-muted);font-size:.88em}"
)


def drawn(told: Explanation, most: int) -> str:
    steps = [plain(probe) for probe in told]
    rows = [row(step) for step in steps]
    if len(rows) > most:
        left_out = f"and {plural(len(rows) - most, 'more place')} that did not have it"
        rows[most // 2 : len(rows) - most // 2] = [
            f'<tr><td class="d"></td><td class="m" colspan="4">{left_out}</td></tr>'
        ]
    spent = f"{plural(sum(step['lines'] for step in steps), 'line')} and " + plural(
        sum(step["records"] for step in steps), "record"
    )
    kind = {True: "yes", False: "gone", None: "unread"}[told.found]
    head = (
        f'<div class="q {kind}">get <span class="k">{html.text(shown(told.key))}</span> <b>{answer(told.found)}</b> '
        f'<span class="m">· {plural(len(steps), "place")} asked, newest first; {spent} read</span></div>'
    )
    return html.frame(f'{head}<table class="path"><tbody>{"".join(rows)}</tbody></table>', repr(told), css=STYLE)


def row(step: Step) -> str:
    kind, meaning = MEANING.get(step["verdict"], ("no", ""))
    return (
        f'<tr class="{kind}"><td class="d"><i></i></td><td>{html.text(place(step))}</td>'
        f'<td class="k m">{file_of(step)}</td>'
        f'<td class="w"><b>{html.text(step["verdict"])}</b><small>{meaning}</small></td>'
        f'<td class="n m">{plural(step["lines"], "line")}</td>'
        f'<td class="n m">{plural(step["records"], "record")}</td></tr>'
    )
