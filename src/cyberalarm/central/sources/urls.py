"""Mounted below /api/collector/v1/."""

from __future__ import annotations

from django.urls import path

from cyberalarm.central.sources import views

app_name = "sources"
urlpatterns = [path("sources/<str:sha256>", views.sources, name="sources")]
