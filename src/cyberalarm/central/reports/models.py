"""Which reports were made, about whom and about which days. The reports themselves are files.

Invariant, held by the database: one report per kind, subject and period; making it again replaces it and
keeps its reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

from cyberalarm.central.members.models import Member, new_reference
from cyberalarm.central.reports.period import Period
from cyberalarm.core.places import Level, Scope

if TYPE_CHECKING:
    from pathlib import Path


def report_reference() -> str:
    return new_reference("r")


class Form(models.TextChoices):
    """The forms that every report is kept in."""

    HTML = "html", "Web page"
    PDF = "pdf", "PDF"
    CSV = "csv", "Tables (CSV)"


# What each form's file is called in the report's folder.
FILES: dict[Form, str] = {Form.HTML: "report.html", Form.PDF: "report.pdf", Form.CSV: "report-csv.zip"}


class Report(models.Model):
    """A report that was made. `member` is empty for a trend report, whose scope is then a police one."""

    class Kind(models.TextChoices):
        MEMBER = "member", "Member Summary Threat Report"
        TREND = "trend", "Trend report"

    reference = models.CharField(max_length=16, unique=True, default=report_reference, editable=False)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    member = models.ForeignKey(Member, on_delete=models.CASCADE, null=True, blank=True, related_name="reports")
    scope_level = models.CharField(max_length=8, choices=[(str(level), str(level)) for level in Level])
    scope_code = models.CharField(max_length=32, blank=True)
    period_start = models.DateField()  # first day
    period_end = models.DateField()  # last day, included
    made = models.DateTimeField()
    folder = models.CharField(max_length=64)  # relative to the centre's data folder

    class Meta:
        ordering = ("-period_end", "-made")
        constraints = [
            models.UniqueConstraint(
                fields=("kind", "member", "period_start", "period_end"),
                condition=Q(member__isnull=False),
                name="report_once_per_member_period",
            ),
            models.UniqueConstraint(
                fields=("kind", "scope_level", "scope_code", "period_start", "period_end"),
                condition=Q(member__isnull=True),
                name="report_once_per_scope_period",
            ),
            models.CheckConstraint(
                condition=Q(kind="member", member__isnull=False, scope_level="member")
                | Q(kind="trend", member__isnull=True, scope_level__in=["force", "region", "national"]),
                name="report_kind_fits_subject",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference} {self.kind} {self.period_start} to {self.period_end}"

    @property
    def period(self) -> Period:
        return Period(self.period_start, self.period_end)

    @property
    def scope(self) -> Scope:
        """Whose data the report shows."""
        match Level(self.scope_level):
            case Level.FORCE:
                return Scope.of_force(self.scope_code)
            case Level.REGION:
                return Scope.of_region(self.scope_code)
            case Level.NATIONAL:
                return Scope.national()
            case Level.MEMBER:
                if self.member_id is None:
                    raise ValueError("a member's report names no member")
                return Scope.of_member(self.member_id)

    def file(self, data: Path, form: Form) -> Path:
        """Where a form of the report is kept, given the centre's data folder."""
        return data / self.folder / FILES[form]
