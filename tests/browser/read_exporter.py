"""What statuspage-prometheus-exporter makes of a page; runs in its own environment. Argument: its address."""

import json
import sys

from statuspage_prometheus_exporter import service_checker

found = service_checker.check_service_status("acme", {"url": f"{sys.argv[1]}summary.json", "name": "Acme"})
print(json.dumps(found, default=str))
