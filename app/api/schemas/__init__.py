"""What the API takes and gives, as the OpenAPI document shows it: a file for each resource.

No connector, secret or header value is in anything that is given, but for secrets that are shown once.
"""
