"""The centre: a Django project with one folder per feature, the same few file names in each.

Never imports `cyberalarm.collector`. ClickHouse is spoken to in `events` only, PDF and charts in `reports` only.
"""
