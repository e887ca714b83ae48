from django.urls import path

from cyberalarm.central.guides import views

app_name = "guides"
urlpatterns = [
    path("", views.index, name="index"),
    path("alarms", views.alarms, name="alarms"),
    path("devices/<str:name>", views.device, name="device"),
    path("install/<str:name>", views.install, name="install"),
]
