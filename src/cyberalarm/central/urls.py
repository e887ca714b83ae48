"""Every address of the centre. What is open to everybody is named in `accounts.access.PUBLIC_ROUTES`."""

from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", include("cyberalarm.central.site.urls")),
    path("account/signup/", RedirectView.as_view(pattern_name="site:join")),
    path("account/", include("allauth.urls")),
    path("member/", include("cyberalarm.central.portal.urls")),
    path("police/", include("cyberalarm.central.console.urls")),
    path("police/", include("cyberalarm.central.audit.urls")),
    path("reports/", include("cyberalarm.central.reports.urls")),
    path("api/collector/v1/", include("cyberalarm.central.enrolment.urls")),
    path("api/collector/v1/", include("cyberalarm.central.ingest.urls")),
    path("api/collector/v1/", include("cyberalarm.central.releases.urls")),
    path("api/collector/v1/", include("cyberalarm.central.sources.urls")),
]

handler400 = "cyberalarm.central.site.views.bad_request"
handler403 = "cyberalarm.central.site.views.forbidden"
handler404 = "cyberalarm.central.site.views.not_found"
handler500 = "cyberalarm.central.site.views.server_error"
