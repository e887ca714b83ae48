"""What background jobs did: one row per job and slot of time, so that nothing is done twice; and what was asked for."""

from __future__ import annotations

from django.db import models


class JobRun(models.Model):
    """A job's run for one slot of its schedule, or one that somebody asked for.

    `key` names the slot, such as `2026-11-20T08:05` or `2026-W47`; of a run that was asked for, the moment.
    """

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed, to be tried again"
        GIVEN_UP = "given-up", "Given up until the next slot"

    job = models.CharField(max_length=32)
    key = models.CharField(max_length=32)
    state = models.CharField(max_length=8, choices=State.choices)
    # How often in a row the job has been tried, this run included, since it last succeeded.
    attempts = models.PositiveIntegerField(default=1)
    started = models.DateTimeField()
    finished = models.DateTimeField(null=True, blank=True)
    next_try = models.DateTimeField(null=True, blank=True)
    # In words for operators: what was done, or the error's code. Never an address or a line.
    result = models.CharField(max_length=200, blank=True)
    # Who runs it, and until when that stands unless it is renewed; empty in rows of before.
    owner = models.CharField(max_length=160, blank=True, default="", db_default="")
    lease = models.DateTimeField(null=True, blank=True)
    asked = models.BooleanField(default=False, db_default=False)

    class Meta:
        ordering = ("-started", "-id")
        constraints = [models.UniqueConstraint(fields=("job", "key"), name="job_once_per_slot")]
        indexes = [models.Index(fields=("job", "-started"), name="job_latest")]

    def __str__(self) -> str:
        return f"{self.job} {self.key}: {self.state}"


class JobTurn(models.Model):
    """One row for each job: who decides about it locks this row. `asked`: somebody wants it run as soon as can be."""

    job = models.CharField(max_length=32, primary_key=True)
    asked = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.job
