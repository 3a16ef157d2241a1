"""Dashboards of Grafana and rules of Prometheus, as data. Pure."""
