"""MLflow: every training is a run, every model a registered version, the alias says who serves.

Only the driver of a job comes here; executors and the decision API never talk to MLflow. Every
call names its store, so nothing depends on MLflow's global tracking URI and nothing is written to
the folder a job happens to start in.
"""

import os

# MLflow reads these while it is being imported, and its command line tools inherit them: no usage
# statistics leave the machine, and its own chatter does not drown the progress of a job.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}.items():
    os.environ.setdefault(_name, _value)
