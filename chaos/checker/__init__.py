"""Holds the evidence against every promise; each module has one idea and returns violations."""

import traceback
from collections.abc import Callable

from chaos.checker import (
    counts,
    entitled,
    logs,
    pushes,
    reads,
    rebuilt,
    recalls,
    stored,
    tested,
    views,
    windows,
)
from chaos.evidence import Evidence

CHECKS: tuple[Callable[[Evidence], list[str]], ...] = (
    stored.acknowledged_is_stored_once,
    stored.refused_is_absent,
    stored.nothing_else_is_stored,
    stored.resends_get_the_first_answer,
    logs.readers_missed_nothing,
    logs.versions_and_ids_ascend,
    views.views_equal_mailboxes,
    views.shown_once_and_in_order,
    views.group_views_equal_groups,
    pushes.group_pushes_lack_nothing,
    counts.contact_lists,
    counts.caches,
    counts.group_counts,
    rebuilt.rebuilt_lists,
    reads.reads_are_stored,
    windows.group_caches,
    recalls.recalled_is_nowhere,
    recalls.logs_hold_no_bodies,
    entitled.blocked_reach_nobody,
    entitled.groups_reach_members_only,
    entitled.complaints,
    tested.something_was_tested,
)


def check(evidence: Evidence) -> list[str]:
    """Every violation, each a line that begins with the name of the check."""
    return [f"{check.__name__}: {found}" for check in CHECKS for found in _found(check, evidence)]


def _found(check: Callable[[Evidence], list[str]], evidence: Evidence) -> list[str]:
    """Evidence that one check cannot make sense of is a violation, and the others go on."""
    try:
        return check(evidence)
    except Exception as error:
        traceback.print_exception(error)
        return [f"broke off: {error!r}"]
