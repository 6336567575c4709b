"""Scripts that are played several times, because a model does not always answer alike."""

from voice.rehearsal.run import rehearse
from voice.rehearsal.script import Rehearsal, Script
from voice.rehearsal.verdict import Result


async def rehearse_as_often_as_asked(
    rehearsal: Rehearsal, script: Script, *, mode: str, by_telephone: bool
) -> Result:
    """Return what came of a script: the last run that decided, with how many runs passed.

    It stops as soon as the others cannot change that. Raises ProviderError when the agent cannot be
    built here.
    """
    runs: list[Result] = []
    while True:
        runs.append(await rehearse(rehearsal, script, mode=mode, by_telephone=by_telephone))
        passed = sum(run.passed for run in runs)
        may_fail = script.runs - script.required_passes
        if runs[0].not_run or passed >= script.required_passes or len(runs) - passed > may_fail:
            break
    decided = [run for run in runs if run.passed is (passed >= script.required_passes)]
    return _sum_up(decided[-1], runs, script)


def _sum_up(result: Result, runs: list[Result], script: Script) -> Result:
    result.runs, result.passed_runs = len(runs), sum(run.passed for run in runs)
    result.seconds = round(sum(run.seconds for run in runs), 3)
    result.cpu_seconds = round(sum(run.cpu_seconds for run in runs), 3)
    if result.failures and script.runs > 1:
        counts = f"{result.passed_runs} of {result.runs} runs passed"
        result.failures.insert(0, f"{counts}, and {script.required_passes} of {script.runs} must")
    return result
