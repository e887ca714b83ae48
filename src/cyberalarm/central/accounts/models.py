"""A person who signs in by email address.

Invariant, held by the database: a person is either of exactly one member (role owner or technician) or police
with a scope (role protect officer, analyst or operator), never both and never neither.
"""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import Q

from cyberalarm.central.members.models import Member
from cyberalarm.core.places import Level


class Role(models.TextChoices):
    OWNER = "owner", "Owner"
    TECHNICIAN = "technician", "Technician"
    PROTECT_OFFICER = "protect_officer", "Cyber Protect officer"
    ANALYST = "analyst", "Analyst"
    OPERATOR = "operator", "Operator of the centre"


MEMBER_ROLES: frozenset[Role] = frozenset({Role.OWNER, Role.TECHNICIAN})
POLICE_ROLES: frozenset[Role] = frozenset({Role.PROTECT_OFFICER, Role.ANALYST, Role.OPERATOR})
_POLICE_LEVELS = (Level.FORCE, Level.REGION, Level.NATIONAL)


class Users(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser):
    """Somebody who may sign in. Addresses are stored in lower case."""

    email = models.EmailField("email address", max_length=254, unique=True)
    name = models.CharField(max_length=120)
    role = models.CharField(max_length=16, choices=Role.choices)
    member = models.ForeignKey(Member, on_delete=models.CASCADE, null=True, blank=True, related_name="people")
    scope_level = models.CharField(
        max_length=8, blank=True, choices=[(str(level), str(level)) for level in _POLICE_LEVELS]
    )
    scope_code = models.CharField(max_length=32, blank=True)
    is_active = models.BooleanField(default=True)
    # Whether alarms are mailed to a member's person. Empty, as in rows of before, is yes.
    alarm_mails = models.BooleanField(null=True, blank=True)
    created = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[Users] = Users()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="member_or_police",
                condition=(
                    Q(member__isnull=False, scope_level="", scope_code="", role__in=sorted(MEMBER_ROLES))
                    | Q(
                        member__isnull=True,
                        scope_level=str(Level.NATIONAL),
                        scope_code="",
                        role__in=sorted(POLICE_ROLES),
                    )
                    | Q(
                        ~Q(scope_code=""),
                        member__isnull=True,
                        scope_level__in=[str(Level.FORCE), str(Level.REGION)],
                        role__in=sorted(POLICE_ROLES),
                    )
                ),
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_police(self) -> bool:
        return self.member_id is None

    @property
    def role_name(self) -> str:
        return str(Role(self.role).label)
