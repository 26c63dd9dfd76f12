# SPDX-License-Identifier: Apache-2.0
"""What operators do to it: start it twice, send it signals, upgrade it, back it up, leave it alone for a long time."""
from case import Figure, Run, at_most, case, holds, told, zero
from harness import Server


@case(11, "A second instance on the same data directory", expected="exit 75, naming the owner", ci=True)
def second_instance(run: Run) -> list[Figure]:
    with Server() as first, first.connect() as link:
        task_id = link.command("FQ.SUBMIT", "owner.task", "{}")
        code, text = Server.run_to_end("--data-dir", first.data_dir)
        still = link.command("FQ.STATUS", task_id)["status"]
    return [holds("exit code 75", code == 75, str(code)),
            holds("the owner's pid is named", str(first.process.pid) in text),
            holds("the first one goes on", still == "pending", still)]
