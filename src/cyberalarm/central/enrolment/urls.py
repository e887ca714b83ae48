"""Mounted below /api/collector/v1/."""

from __future__ import annotations

from django.urls import path

from cyberalarm.central.enrolment import views

app_name = "enrolment"
urlpatterns = [
    path("enrol", views.enrol, name="enrol"),
    path("key", views.change_key, name="key"),
    path("introduction", views.introduction, name="introduction"),
]
