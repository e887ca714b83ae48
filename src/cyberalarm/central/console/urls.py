from django.urls import path

from cyberalarm.central.console import acting, operating, quarantined, views

app_name = "console"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("overview/<str:level>/<str:code>", views.overview_of, name="overview-of"),
    path("members", views.members, name="members"),
    path("members/<str:reference>", views.member, name="member"),
    path("members/<str:reference>/end", acting.end_membership, name="end-membership"),
    path("collectors", views.collectors, name="collectors"),
    path("collectors.csv", views.collectors_csv, name="collectors-csv"),
    path("collectors/<str:reference>", acting.collector, name="collector"),
    path("collectors/<str:reference>/<str:name>", acting.act, name="act"),
    path("findings", views.findings, name="findings"),
    path("findings/<int:key>", acting.finding, name="finding"),
    path("quarantine", quarantined.listing, name="quarantine"),
    path("quarantine/<int:key>", quarantined.decide, name="quarantine-decide"),
    path("quarantine/<int:key>/original", quarantined.original, name="quarantine-original"),
    path("operations", operating.operations, name="operations"),
    path("operations/jobs", operating.jobs, name="jobs"),
    path("operations/jobs/<str:name>/run", operating.run_job, name="run-job"),
    path("sign-ups", views.sign_ups, name="sign-ups"),
    path("sign-ups/<str:reference>", views.decide, name="decide"),
]
