"""The lists of sources that were published last, each as the signed file that collectors get."""

from __future__ import annotations

from django.db import models


class PublishedSources(models.Model):
    """A list. Only the newest is ever given out, and only until it expires."""

    number = models.BigIntegerField(unique=True)
    sha256 = models.CharField(max_length=64, unique=True)  # hex, of the file
    size = models.BigIntegerField()
    content = models.BinaryField()
    sources = models.IntegerField()  # how many it names
    issued = models.DateTimeField()
    expires = models.DateTimeField()

    class Meta:
        ordering = ("-number",)

    def __str__(self) -> str:
        return f"list {self.number}"
