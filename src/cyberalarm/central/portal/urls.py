from django.urls import path

from cyberalarm.central.portal import acting, views

app_name = "portal"
urlpatterns = [
    path("", views.home, name="home"),
    path("sites/add", views.add_site, name="add-site"),
    path("sites/<int:key>/provision", views.provision, name="provision"),
    path("collectors/<str:reference>", views.collector, name="collector"),
    path("collectors/<str:reference>/renew", views.renew, name="renew"),
    path("collectors/<str:reference>/withdraw", acting.withdraw, name="withdraw"),
    path("collectors/<str:reference>/devices/<int:key>", views.device, name="device"),
    path("collectors/<str:reference>/devices/<int:key>/name", acting.name_device, name="name-device"),
    path("collectors/<str:reference>/devices/<int:key>/rest", acting.rest_device, name="rest-device"),
    path("alarms", views.alarms, name="alarms"),
    path("alarms/mails", acting.choose_mails, name="alarm-mails"),
    path("findings", views.findings, name="findings"),
    path("findings/<int:key>", views.finding, name="finding"),
    path("reports", views.reports, name="reports"),
    path("certificate", views.certificate, name="certificate"),
]
