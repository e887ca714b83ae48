"""The pages of those who operate the centre: how it is, and its background jobs. Everybody else gets 404."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from cyberalarm.central.accounts.access import police_page
from cyberalarm.central.accounts.services import may_operate
from cyberalarm.central.audit.models import Action
from cyberalarm.central.audit.services import record
from cyberalarm.central.jobs import claiming
from cyberalarm.central.jobs.models import JobRun, JobTurn
from cyberalarm.central.jobs.schedule import Every, long_after, next_slot
from cyberalarm.central.jobs.work import default_jobs
from cyberalarm.central.site.health import examine

if TYPE_CHECKING:
    from datetime import datetime

    from cyberalarm.central.accounts.models import User
    from cyberalarm.central.jobs.work import Job

_RUNS = 50
_EVERY = {
    Every.MINUTE: "each minute",
    Every.HOUR: "each hour",
    Every.DAY: "each day",
    Every.WEEK: "each week",
    Every.MONTH: "each month",
}


@dataclass(frozen=True, slots=True)
class JobView:
    """One job as its operators see it. `tag` is the colour of `state`."""

    name: str
    about: str
    every: str
    state: str
    tag: str
    said: str
    done: datetime | None
    seconds: float | None
    following: datetime
    asked: bool
    retry: bool


@require_safe
@police_page
def operations(request: HttpRequest, user: User) -> HttpResponse:
    """How the centre itself is."""
    _operators_only(user)
    return render(request, "console/operations.html", {"checks": examine()})


@require_safe
@police_page
def jobs(request: HttpRequest, user: User) -> HttpResponse:
    """What runs, what ran, what failed and why, and when each job runs next."""
    _operators_only(user)
    now = timezone.now()
    asked = set(JobTurn.objects.filter(asked__isnull=False).values_list("job", flat=True))
    views = [view_of(job, now, asked=job.name in asked) for job in default_jobs()]
    views.sort(key=lambda view: view.tag not in ("red", "orange"))  # what needs a look comes first
    chosen = request.GET.get("job", "")
    runs = JobRun.objects.filter(job=chosen) if chosen in {job.name for job in default_jobs()} else JobRun.objects.all()
    context = {"jobs": views, "runs": runs[:_RUNS], "chosen": chosen, "failing": sum(view.retry for view in views)}
    return render(request, "console/jobs.html", context)


@require_POST
@police_page
def run_job(request: HttpRequest, user: User, name: str) -> HttpResponse:
    """Have a job run as soon as the supervisor looks, in a few seconds. Recorded in the audit."""
    _operators_only(user)
    if name not in {job.name for job in default_jobs()}:
        raise Http404
    with transaction.atomic():
        record(user, Action.JOB_ASKED, f"job:{name}")
        claiming.ask(name, timezone.now())
    messages.success(request, f"“{name}” runs within a few seconds. Load this page again to see how it went.")
    return redirect("console:jobs")


def _operators_only(user: User) -> None:
    if not may_operate(user):
        raise Http404


def view_of(job: Job, now: datetime, *, asked: bool) -> JobView:
    """How a job is, from its runs."""
    runs = JobRun.objects.filter(job=job.name).order_by("-started", "-id")
    last, done = runs.first(), runs.filter(state=JobRun.State.DONE).first()
    state, tag, said = _standing(job, last, now)
    following = next_slot(job.every, now)
    failed = last is not None and last.state in (JobRun.State.FAILED, JobRun.State.GIVEN_UP)
    if last is not None and last.state == JobRun.State.FAILED and last.next_try:
        following = last.next_try
    return JobView(
        name=job.name,
        about=job.about,
        every=_EVERY[job.every],
        state="Asked for" if asked else state,
        tag="blue" if asked else tag,
        said=said,
        done=done.finished if done else None,
        seconds=(done.finished - done.started).total_seconds() if done and done.finished else None,
        following=following,
        asked=asked,
        retry=failed,
    )


def _standing(job: Job, last: JobRun | None, now: datetime) -> tuple[str, str, str]:
    """A word for its state, the word's colour, and what there is to say."""
    if last is None:
        return "Not run yet", "grey", ""
    if last.state == JobRun.State.RUNNING:
        if now - last.started > long_after(job.every):
            return "Hangs", "red", "It has been running for far too long. Restarting its process cuts it off."
        return "Running", "blue", ""
    if last.state == JobRun.State.DONE:
        return "Good", "green", last.result
    tries = "once" if last.attempts == 1 else f"{last.attempts} times in a row"
    said = f"Failed {tries}: {last.result}."
    return ("Given up", "red", said) if last.state == JobRun.State.GIVEN_UP else ("Failing", "orange", said)
