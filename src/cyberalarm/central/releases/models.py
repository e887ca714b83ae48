"""The pack releases that were ever published here, each as the signed file that it came in."""

from __future__ import annotations

from django.db import models


class PackRelease(models.Model):
    """A release. Only the one of the highest number is ever given out, and only while it is not withdrawn.

    Invariant: numbers only rise, so withdrawing one does not bring back the one before: collectors would refuse it. Those of a
    revoked key count no more.
    """

    number = models.BigIntegerField(unique=True)
    sha256 = models.CharField(max_length=64, unique=True)  # hex, of the file
    size = models.BigIntegerField()
    content = models.BinaryField()
    key = models.CharField(max_length=16, default="", db_default="")  # id of the release key that signed it
    program = models.CharField(max_length=32)  # least version of the program
    packs = models.JSONField()  # name -> version
    published = models.DateTimeField()
    withdrawn = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-number",)

    def __str__(self) -> str:
        return f"release {self.number}"
