"""The REST API: thin routes by resource over `app.service`."""
