"""The event store: what members' collectors kept, queried by scope.

The only package that speaks to ClickHouse.
"""
