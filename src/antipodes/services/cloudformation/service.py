"""CloudFormation of one Region: the table of its operations."""

from __future__ import annotations

import functools

from antipodes.services.cloudformation import change_sets, describing, stacks
from antipodes.services.cloudformation.control import Control
from antipodes.services.cloudformation.drafting import Drafting
from antipodes.services.cloudformation.engine import Engine
from antipodes.services.cloudformation.journal import Journal
from antipodes.services.cloudformation.records import Records
from antipodes.services.contract import Carried, Surroundings

OPERATIONS = {
    "ContinueUpdateRollback": stacks.continue_update_rollback,
    "CreateChangeSet": change_sets.create_change_set,
    "CreateStack": stacks.create_stack,
    "DeleteChangeSet": change_sets.delete_change_set,
    "DeleteStack": stacks.delete_stack,
    "DescribeChangeSet": change_sets.describe_change_set,
    "DescribeStackEvents": describing.describe_stack_events,
    "DescribeStackResource": describing.describe_stack_resource,
    "DescribeStackResources": describing.describe_stack_resources,
    "DescribeStacks": describing.describe_stacks,
    "ExecuteChangeSet": change_sets.execute_change_set,
    "GetTemplate": describing.get_template,
    "GetTemplateSummary": stacks.get_template_summary,
    "ListChangeSets": change_sets.list_change_sets,
    "ListExports": describing.list_exports,
    "ListImports": describing.list_imports,
    "ListStackResources": describing.list_stack_resources,
    "ListStacks": describing.list_stacks,
    "UpdateStack": stacks.update_stack,
    "UpdateTerminationProtection": stacks.update_termination_protection,
    "ValidateTemplate": stacks.validate_template,
}


class CloudFormation:
    """The service. It replicates nothing: a stack lives in one Region."""

    name = "cloudformation"
    carried: Carried | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        records = Records(surroundings.store)
        drafting = Drafting(surroundings, records)
        journal = Journal(surroundings, records)
        self._engine = Engine(surroundings, records, drafting, journal)
        control = Control(surroundings, records, drafting, journal, self._engine)
        self.operations = {name: functools.partial(function, control) for name, function in OPERATIONS.items()}

    async def start(self) -> None:
        """Goes on with the stack operations that were under way."""
        self._engine.resume()

    async def stop(self) -> None:
        self._engine.stop()
