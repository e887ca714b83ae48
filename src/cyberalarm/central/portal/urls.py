from django.urls import path

from cyberalarm.central.portal import views

app_name = "portal"
urlpatterns = [
    path("", views.home, name="home"),
    path("sites/add", views.add_site, name="add-site"),
    path("sites/<int:key>/provision", views.provision, name="provision"),
    path("collectors/<str:reference>", views.collector, name="collector"),
    path("collectors/<str:reference>/renew", views.renew, name="renew"),
    path("findings", views.findings, name="findings"),
    path("findings/<int:key>", views.finding, name="finding"),
    path("reports", views.reports, name="reports"),
    path("certificate", views.certificate, name="certificate"),
]
