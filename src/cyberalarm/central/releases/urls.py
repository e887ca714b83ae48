"""Mounted below /api/collector/v1/."""

from __future__ import annotations

from django.urls import path

from cyberalarm.central.releases import views

app_name = "releases"
urlpatterns = [path("packs/<str:sha256>", views.packs, name="packs")]
