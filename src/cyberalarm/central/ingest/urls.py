"""Mounted below /api/collector/v1/."""

from __future__ import annotations

from django.urls import path

from cyberalarm.central.ingest import views

app_name = "ingest"
urlpatterns = [
    path("envelopes", views.envelopes, name="envelopes"),
    path("status", views.status, name="status"),
]
