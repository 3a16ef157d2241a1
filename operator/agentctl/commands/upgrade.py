"""`agentctl upgrade plan` and `agentctl upgrade apply`."""

import sys
from collections.abc import Sequence

import typer

from agent_operator import __version__
from agent_operator.rollout.commands import Command
from agentctl.cluster import rollout_commands, rollout_progress, rollout_wait, upgrade_plan
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.rollout_progress import Verdict
from agentctl.cluster.upgrade_plan import Upgrade
from agentctl.errors import CommandError, UsageError
from agentctl.formats import Format, View
from agentctl.ui import output, revision_diff
from agentctl.ui.console import stdout_console, table

# Seconds until the operator has executed the command. The rollout that follows has its own timeout.
COMMAND_TIMEOUT = 60.0


def plan(kubectl: Kubectl, name: str, image: str, *, everywhere: bool) -> tuple[Upgrade, ...]:
    """Compare agents with what this version renders.

    Raises:
        UsageError: both a name and all namespaces are given.
    """
    if name and everywhere:
        raise UsageError("a name and --all-namespaces cannot be combined: use one of them")
    return upgrade_plan.plan(kubectl, name, image, everywhere=everywhere)


def show(upgrades: Sequence[Upgrade], view: View, *, diffs: bool) -> None:
    """Print how an upgrade would change agents."""
    if view is not View.TEXT:
        agents = [upgrade.to_json() for upgrade in upgrades]
        output.write(output.data_text({"operator": __version__, "agents": agents}, Format(view)))
        return
    differing = [upgrade for upgrade in upgrades if upgrade.differs]
    noted = [upgrade for upgrade in upgrades if upgrade.note]
    if differing:
        _print_table(differing)
    for upgrade in differing if diffs else ():
        stdout_console().print(f"\n{upgrade.namespace}/{upgrade.name}", style="bold", soft_wrap=True)
        stdout_console().print(revision_diff.coloured(upgrade.diff()), soft_wrap=True, end="")
    for upgrade in noted:
        output.note(f"not compared: {upgrade.namespace}/{upgrade.name}: {upgrade.note}")
    if not differing:
        same = len(upgrades) - len(noted)
        output.write(f"no differences: operator {__version__} renders the current revisions of {_count(same)}\n")


def apply(kubectl: Kubectl, upgrades: Sequence[Upgrade], *, yes: bool, timeout: float) -> None:
    """Upgrade the agents that differ, one after the other, and wait for each rollout. Stop at the first failure.

    Args:
        kubectl: the cluster.
        upgrades: the result of `plan`.
        yes: do not ask for confirmation.
        timeout: seconds for the rollout of each agent.

    Raises:
        CommandError: the user did not confirm, or an upgrade failed.
    """
    differing = [upgrade for upgrade in upgrades if upgrade.differs]
    if not differing:
        show(upgrades, View.TEXT, diffs=False)
        return
    if not yes:
        _confirm(upgrades, len(differing))
    for number, upgrade in enumerate(differing, 1):
        output.note(f"[{number}/{len(differing)}] {upgrade.namespace}/{upgrade.name}")
        _upgrade(kubectl.in_namespace(upgrade.namespace), upgrade, timeout)


def _confirm(upgrades: Sequence[Upgrade], number: int) -> None:
    if not sys.stdin.isatty():
        raise UsageError("cannot ask for confirmation without a terminal: run agentctl upgrade plan, then add --yes")
    show(upgrades, View.TEXT, diffs=False)
    if not typer.confirm(f"Replace the pods of {_count(number)}?"):
        raise CommandError("cancelled: no agent was changed")


def _upgrade(kubectl: Kubectl, upgrade: Upgrade, timeout: float) -> None:
    agent = rollout_commands.execute(kubectl, upgrade.name, Command.UPGRADE, min(timeout, COMMAND_TIMEOUT))
    name = f"{upgrade.namespace}/{upgrade.name}"
    if upgrade.before and rollout_progress.rollout_status(agent).target == upgrade.before.name:
        raise CommandError(
            f"{name}: the running operator is not version {__version__}, because it renders the same revision as "
            "before: upgrade the operator first"
        )
    agent = rollout_wait.wait_for_end(kubectl, upgrade.name, timeout)
    summary = rollout_progress.summary(agent)
    if rollout_progress.verdict(agent) is not Verdict.COMPLETE:
        raise CommandError(f"{name}: {summary}")
    output.write(f"{summary}\n")


def _print_table(differing: Sequence[Upgrade]) -> None:
    rows = table("NAMESPACE", "NAME", "FROM", "TO", "CHANGES")
    for upgrade in differing:
        revisions = (upgrade.before, upgrade.after)
        cells = (f"{revision.name} {revision.runtime_version}" if revision else "" for revision in revisions)
        rows.add_row(upgrade.namespace, upgrade.name, *cells, ", ".join(upgrade.changes))
    stdout_console().print(rows)


def _count(number: int) -> str:
    return "1 agent" if number == 1 else f"{number} agents"
