"""Django template tags with which the library pages wear the site's layout."""
