from django.urls import path

from cyberalarm.central.audit import views

app_name = "audit"
urlpatterns = [path("audit", views.entries, name="entries")]
