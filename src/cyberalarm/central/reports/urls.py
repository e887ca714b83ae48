from django.urls import path

from cyberalarm.central.reports import views

app_name = "reports"

urlpatterns = [
    path("<str:reference>/<str:form>", views.download, name="download"),
]
