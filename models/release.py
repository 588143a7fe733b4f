"""Which release this is: the one place that says so. CHANGELOG.md says what each changes."""

RELEASE = "1.0.0"
