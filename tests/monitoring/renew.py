"""Write the Prometheus operator's resource anew from the rules: `python -m tests.monitoring.renew`."""

from tests.monitoring.rules import RESOURCE, resource_text

if __name__ == "__main__":
    RESOURCE.write_text(resource_text())
