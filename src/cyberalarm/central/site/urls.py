from django.urls import path

from cyberalarm.central.site import views, watching

app_name = "site"
urlpatterns = [
    path("", views.home, name="home"),
    path("privacy", views.privacy, name="privacy"),
    path("join", views.join, name="join"),
    path("join/done", views.joined, name="joined"),
    path("verify/<str:reference>", views.verify, name="verify"),
    path("healthz", views.health, name="health"),
    path("livez", watching.alive, name="alive"),
    path("readyz", watching.ready, name="ready"),
    path("metrics", watching.metrics, name="metrics"),
    path("static/<path:name>", views.static_file, name="static"),
]
