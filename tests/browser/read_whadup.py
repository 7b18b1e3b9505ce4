"""What whadup reads of a page, all eight documents; runs in its own environment. Argument: the API's address."""

import json
import sys

import whadup

whadup.API_BASE_URL = sys.argv[1].removesuffix("v2/")
reader = whadup.GithubStatus()
documents = {
    "status": reader.status,
    "summary": reader.summary,
    "components": reader.components,
    "incidents": reader.Incidents,
    "unresolved": reader.Incidents.unresolved,
    "maintenances": reader.Maintenances,
    "upcoming": reader.Maintenances.upcoming,
    "active": reader.Maintenances.active,
}
print(json.dumps({name: read() for name, read in documents.items()}))
