"""Public pages, sign-up, the layout that all pages wear, static files and error pages."""
