"""What statuscheck makes of a page; runs in its own environment. Argument: the API's address."""

import json
import sys

from statuscheck.services.bases._statuspageio import BaseStatusPageAPI


class Page(BaseStatusPageAPI):
    name = "Acme"

    def _get_base_url(self) -> str:
        return sys.argv[1]


found = Page().get_summary()
print(
    json.dumps(
        {
            "status": found.status.name,
            "description": found.status.description,
            "components": {component.name: component.status for component in found.components},
            "incidents": {
                incident.name: [one.name for one in incident.components] for incident in found.incidents
            },
        }
    )
)
