"""What the Functions host loads: it registers the triggers and does nothing else."""

import azure.functions as func

from functions import collect_poison, health, openlineage, publish_lineage, receive_event, reconcile, replay

app = func.FunctionApp()
for module in (receive_event, openlineage, publish_lineage, collect_poison, replay, reconcile, health):
    app.register_functions(module.bp)
