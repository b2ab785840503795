"""The commands in groups, as `assay --help` shows them."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

GROUPS = {
    "The whole job": ("demo", "init", "run", "improve", "plan", "serve"),
    "One dataset": ("audit", "sees", "split", "finetune", "evaluate"),
    "One stage alone": ("clean", "cells", "quality", "duplicates", "label-noise", "anomalies", "fitness",
                        "select", "rebalance", "augment"),
    "Look back": ("why", "report", "diff", "undo", "restore", "snapshots", "verify", "gc", "status"),
    "People and other tools": ("review", "settle", "export"),
    "About Assay": ("stages", "schema", "doctor"),
}  # fmt: skip
STAGES = "One stage alone"


class Grouped(TyperGroup):
    """Lists the commands under the headings of `GROUPS`; one that is in none stands under its own panel."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the groups, then as they were registered."""
        order = [name for names in GROUPS.values() for name in names]
        names = list(self.commands)
        return sorted(names, key=lambda n: order.index(n) if n in order else len(order) + names.index(n))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section a group, the names aligned throughout."""
        sections: dict[str, list[Any]] = {heading: [] for heading in GROUPS}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            own = getattr(command, "rich_help_panel", None)
            heading = next((h for h, names in GROUPS.items() if name in names), own or "More")
            if not command.hidden:
                sections.setdefault(heading, []).append((name, command))
        width = max(len(name) for name in self.commands)
        for heading, commands in sections.items():
            if commands:
                rows = [(name.ljust(width), command.get_short_help_str(200)) for name, command in commands]
                with formatter.section(heading):
                    formatter.write_dl(rows)
