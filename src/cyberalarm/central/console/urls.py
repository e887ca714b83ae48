from django.urls import path

from cyberalarm.central.console import views

app_name = "console"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("overview/<str:level>/<str:code>", views.overview_of, name="overview-of"),
    path("members", views.members, name="members"),
    path("members/<str:reference>", views.member, name="member"),
    path("sign-ups", views.sign_ups, name="sign-ups"),
    path("sign-ups/<str:reference>", views.decide, name="decide"),
]
