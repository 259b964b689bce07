"""version, doctor, demo."""

from __future__ import annotations

import lsmkv
from lsmkv.cli.exits import DAMAGED, DONE, IO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from lsmkv.cli.output import Output


def version_line() -> str:
    import platform

    features = lsmkv.features()
    version = features.get("version") or getattr(lsmkv, "__version__", "")
    return f"lsmkv {version} (build {stamp(features)}, Python {platform.python_version()})"


def stamp(features: Mapping[str, str | None]) -> str:
    return features.get("build_stamp") or features.get("stamp") or features.get("build") or "unknown"


def version(args: Namespace, out: Output) -> int:
    if not args.json:
        out.text(version_line())
        return DONE
    import platform

    features = lsmkv.features()
    version = features.get("version") or getattr(lsmkv, "__version__", "")
    out.object({"version": version, "build": stamp(features), "python": platform.python_version()})
    return DONE


def doctor(args: Namespace, out: Output) -> int:
    from lsmkv.cli.doctor import STORE, examine

    findings = examine(args.db)
    bad = {finding.name for finding in findings if finding.state == "bad"}
    status = (DAMAGED if bad == {STORE} else IO) if bad else DONE
    if args.json:
        checks = [finding._asdict() for finding in findings]
        out.object({"healthy": not bad, "checks": checks, "features": lsmkv.features()})
        return status
    from lsmkv.report.text import columns

    marks = {"good": "ok", "note": "--", "bad": "NO"}
    rows = [(marks[finding.state], finding.name, finding.text) for finding in findings]
    for text in columns(rows, "<<<", indent=""):
        out.text(text)
    for finding in findings:
        if finding.fix:
            out.text(f"\n{finding.name}: {finding.fix}")
    if bad == {STORE}:
        out.text("\nlsmkv can work here, but this store is damaged: see the line marked NO")
    else:
        out.text("\nlsmkv cannot work here: see the lines marked NO" if bad else "\neverything a store needs is here")
    return status


def demo(args: Namespace, out: Output) -> int:
    from lsmkv.demo.story import tell

    return int(tell(args, out))
