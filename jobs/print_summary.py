"""Print on one screen what a campaign's last walk has found, and where its files are.

Reads the reports ``experiment``, ``evaluation``, ``promotion``, ``allocation`` and, of a simulated
campaign, ``truth``; the run that ``published/CURRENT`` points to, and its exports. Without Spark.

    python -m jobs.print_summary --config conf/base.yaml --config conf/campaigns/coupon.yaml

Next: ``make serve``
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from jobs.export_segments import campaign_source
from uplift.audience.export import export_id_of, first_customer
from uplift.config import Audience, Config, Order
from uplift.config.options import campaign_arguments
from uplift.evaluation import summary
from uplift.policy import SEGMENTS
from uplift.spark.door import run_plain_job
from uplift.workspace import Workspace, read_document

Report = TypeVar("Report", bound=summary.View)


def run(config: Config, arguments: str = "") -> None:
    """Write the summary to standard output; ``arguments`` name the campaign to the service."""
    workspace = Workspace(config.workspace)

    def report(kind: type[Report], job: str) -> Report:
        path = workspace.report(kind.__name__.lower())
        return kind.model_validate(read_document(path, made_by=job))

    text = summary.summarise(
        report(summary.Experiment, "check_experiment"),
        report(summary.Evaluation, "evaluate_model"),
        report(summary.Promotion, "evaluate_model"),
        report(summary.Allocation, "assign_coupons"),
        report(summary.Truth, "compare_with_truth") if config.simulation else None,
        arms=config.campaign.arms.names,
        segments=SEGMENTS,
    )
    files = "\n".join(f"  {label:<15}{path}" for label, path in _files(workspace, config))
    serve = "\n".join(f"  {line}" for line in _serve(workspace, config, arguments))
    sys.stdout.write(
        f"\nCampaign {config.campaign.id}\n\n{text}\n\nFiles\n{files}\n\nServe it\n{serve}\n\n"
    )


def _files(workspace: Workspace, config: Config) -> Iterator[tuple[str, Path]]:
    source = campaign_source(config)
    yield "published run", source.snapshot.folder
    for order in config.export.orders:
        yield "audience", workspace.exports / export_id_of(source, order)
    yield "reports", workspace.report("experiment").parent
    yield "models", workspace.root / "mlflow.db"


def _serve(workspace: Workspace, config: Config, arguments: str) -> Iterator[str]:
    """How to start the service, and a question for it about the best customer of the export."""
    yield f".venv/bin/python -m serving {arguments}" if arguments else "make serve"
    source, anybody = campaign_source(config), Order(audience=Audience(segments=("persuadable",)))
    first = first_customer(source, anybody, workspace.exports)
    if first is not None:
        question = json.dumps({"user_id": first})
        url = f"localhost:{config.serving.port}/v1/decisions"
        yield f"curl -s {url} -H 'content-type: application/json' -d '{question}'"


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the job."""
    arguments = campaign_arguments(argv)
    return run_plain_job(__doc__, lambda config: run(config, arguments), argv)


if __name__ == "__main__":
    sys.exit(main())
