"""`agentctl upgrade plan` and `agentctl upgrade apply`."""

import sys
from collections.abc import Sequence

import typer

from agent_operator import __version__
from agent_operator.rollout.commands import Command
from agentctl.cluster import rollout_commands, rollout_progress, rollout_wait, tree, upgrade_plan
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.rollout_progress import Verdict
from agentctl.cluster.upgrade_plan import Upgrade
from agentctl.commands.history import table
from agentctl.errors import CommandError, UsageError
from agentctl.ui import differences, output
from agentctl.ui.output import Format, View

# What is left to the operator between the command and the end of the rollout.
COMMAND_TIMEOUT = 60.0


def show(found: Sequence[Upgrade], view: View, *, diffs: bool) -> None:
    """Print what upgrades would mean."""
    if view is not View.TEXT:
        listed = [upgrade.to_json() for upgrade in found]
        output.write(output.data({"operator": __version__, "agents": listed}, Format(view)))
        return
    differing = [upgrade for upgrade in found if upgrade.differs]
    noted = [upgrade for upgrade in found if upgrade.note]
    if differing:
        _table(differing)
    for upgrade in differing if diffs else ():
        tree.console().print(f"\n{upgrade.namespace}/{upgrade.name}", style="bold", soft_wrap=True)
        tree.console().print(differences.coloured(upgrade.diff()), soft_wrap=True, end="")
    for upgrade in noted:
        output.note(f"not compared: {upgrade.namespace}/{upgrade.name}: {upgrade.note}")
    if not differing:
        same = len(found) - len(noted)
        output.write(f"nothing differs: operator {__version__} renders {_agents(same)} as before\n")


def apply(kubectl: Kubectl, found: Sequence[Upgrade], *, yes: bool, timeout: float) -> None:
    """Upgrade agents one after the other, each to the end of its rollout; stop at the first that fails.

    Args:
        kubectl: the cluster.
        found: what upgrades would mean; agents that do not differ are left alone.
        yes: do not ask.
        timeout: seconds for each agent.

    Raises:
        CommandError: nobody agreed, or an upgrade failed.
    """
    differing = [upgrade for upgrade in found if upgrade.differs]
    if not differing:
        show(found, View.TEXT, diffs=False)
        return
    if not yes:
        _ask(found, len(differing))
    for number, upgrade in enumerate(differing, 1):
        output.note(f"[{number}/{len(differing)}] {upgrade.namespace}/{upgrade.name}")
        _upgrade(kubectl.within(upgrade.namespace), upgrade, timeout)


def _ask(found: Sequence[Upgrade], number: int) -> None:
    if not sys.stdin.isatty():
        raise UsageError("there is nobody to ask: give --yes, or look first with agentctl upgrade plan")
    show(found, View.TEXT, diffs=False)
    if not typer.confirm(f"Make the pods of {_agents(number)} anew?"):
        raise CommandError("nothing was done")


def _upgrade(kubectl: Kubectl, upgrade: Upgrade, timeout: float) -> None:
    agent = rollout_commands.give(kubectl, upgrade.name, Command.UPGRADE, min(timeout, COMMAND_TIMEOUT))
    where = f"{upgrade.namespace}/{upgrade.name}"
    if upgrade.before and rollout_progress.rollout(agent).target == upgrade.before.name:
        raise CommandError(
            f"{where}: the operator renders it as before: it is not of this version, {__version__}: upgrade it first"
        )
    agent = rollout_wait.follow(kubectl, upgrade.name, timeout)
    verdict, said = rollout_progress.judge(agent), rollout_progress.sentence(agent)
    if verdict is not Verdict.COMPLETE:
        raise CommandError(f"{where}: {said}")
    output.write(f"{said}\n")


def _table(differing: Sequence[Upgrade]) -> None:
    made = table("NAMESPACE", "NAME", "FROM", "TO", "CHANGES")
    for upgrade in differing:
        sides = (f"{it.name} {it.runtime_version}" if it else "" for it in (upgrade.before, upgrade.after))
        made.add_row(upgrade.namespace, upgrade.name, *sides, ", ".join(upgrade.changes))
    tree.console().print(made)


def _agents(number: int) -> str:
    return "1 agent" if number == 1 else f"{number} agents"


def plan(kubectl: Kubectl, name: str, image: str, *, everywhere: bool) -> tuple[Upgrade, ...]:
    """Compare agents with what is rendered now; UsageError when both a name and all are asked for."""
    if name and everywhere:
        raise UsageError("a name and --all-namespaces exclude each other: give one")
    return upgrade_plan.plan(kubectl, name, image, everywhere=everywhere)
